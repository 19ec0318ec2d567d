"""What a page tells other sites and search engines of itself: its one address, its languages, its card, its data.

Only for what is public: a page that has none of this is not to be shown elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import Organization
from experiences.models import Experience, Version
from marketplace import wording

HOW_TO_STEPS: Final = 50
_ESCAPED: Final = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}
"""As django.utils.html.json_script does: no text can end the element it stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The context ``links`` of ``marketplace/_links.html``. Addresses are whole ones."""

    canonical: str
    languages: Sequence[tuple[str, str]]
    title: str
    description: str
    kind: str = "website"
    image: str = ""
    feeds: Sequence[tuple[str, str]] = ()
    """(title, address) of Atom feeds."""
    json_ld: SafeString | None = None


def whole(path: str) -> str:
    """The address on this site's own host, however the request came in."""
    return settings.KEIKEN.site_url.rstrip("/") + path


def links(
    path: str,
    *,
    title: str,
    description: str,
    query: Mapping[str, str] | None = None,
    kind: str = "website",
    image: str = "",
    feeds: Sequence[tuple[str, str]] = (),
    data: Any = None,
) -> Links:
    """``query`` is what of the address decides what is shown; ``?lang=`` names one of the languages."""
    languages = [code for code, _name in settings.LANGUAGES]

    def address(**more: str) -> str:
        parts = {**(query or {}), **more}
        return whole(path) + (f"?{urlencode(parts)}" if parts else "")

    spoken = (get_language() or "en").split("-")[0]
    return Links(
        # The default language has the plain address, so that every language has exactly one.
        canonical=address() if spoken == settings.LANGUAGE_CODE else address(lang=spoken),
        languages=[("x-default", address()), *((code, address(lang=code)) for code in languages)],
        title=title,
        description=" ".join(description.split())[:300],
        kind=kind,
        image=whole(image) if image else "",
        feeds=[(name, whole(feed)) for name, feed in feeds],
        json_ld=json_ld(data) if data is not None else None,
    )


def json_ld(data: Any) -> SafeString:
    text = json.dumps({"@context": "https://schema.org", **data}, ensure_ascii=False, separators=(",", ":"))
    return mark_safe(text.translate(_ESCAPED))  # noqa: S308  # whatever could end the element is escaped


def home_links() -> Links:
    home = reverse("home")
    return links(
        home,
        title=_("Keiken: procedures that prove they work"),
        description=_("Procedures recorded once, proven again and again in sandboxes, replayed without a model."),
        feeds=[(_("New versions"), reverse("feed_new")), (_("Verdicts that changed"), reverse("feed_verdicts"))],
        data={
            "@type": "WebSite",
            "name": "Keiken",
            "url": whole(home),
            "potentialAction": {
                "@type": "SearchAction",
                "target": {"@type": "EntryPoint", "urlTemplate": whole(reverse("browse")) + "?q={words}"},
                "query-input": "required name=words",
            },
        },
    )


def publisher_links(organization: Organization) -> Links:
    path = reverse("publisher", args=[organization.slug])
    name = organization.name
    return links(
        path,
        title=name,
        description=_("What {name} has published, and how it fared in the sandboxes.").format(name=name),
        kind="profile",
        feeds=[(name, reverse("feed_publisher", args=[organization.slug]))],
        data={
            "@type": "ProfilePage",
            "mainEntity": {"@type": "Organization", "name": name, "identifier": organization.slug, "url": whole(path)},
        },
    )


def experience_links(version: Version, *, rating: Mapping[str, Any], license: str) -> Links | None:
    """None for an experience that is not public, or that moderation has hidden."""
    found = version.experience
    if found.visibility != Experience.Visibility.PUBLIC or found.hidden_at is not None:
        return None
    slugs = [found.organization.slug, found.name]
    path = reverse("experience", args=slugs)
    return links(
        path,
        title=f"{found.title} · {found}",
        description=found.summary or found.title,
        kind="article",
        image=reverse("card", args=slugs),
        feeds=[(f"{found}", reverse("feed_experience", args=slugs))],
        data={"@graph": [_source_code(version, whole(path), rating, license), _how_to(version, whole(path))]},
    )


def _source_code(version: Version, address: str, rating: Mapping[str, Any], license: str) -> dict[str, Any]:
    found = version.experience
    document: dict[str, Any] = {
        "@type": "SoftwareSourceCode",
        "@id": address,
        "url": address,
        "name": found.title,
        "identifier": version.blob_id,
        "description": found.summary,
        "version": version.version,
        "keywords": list(found.topics),
        "license": license,
        "datePublished": version.published_at.isoformat(),
        "runtimePlatform": wording.environments(version.manifest),
        "author": {
            "@type": "Organization",
            "name": found.organization.name,
            "url": whole(reverse("publisher", args=[found.organization.slug])),
        },
    }
    if rating.get("count"):
        document["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": rating["mean"],
            "ratingCount": rating["count"],
            "bestRating": 5,
            "worstRating": 1,
        }
    return document


def _how_to(version: Version, address: str) -> dict[str, Any]:
    steps = (version.manifest.get("steps") or [])[:HOW_TO_STEPS]
    return {
        "@type": "HowTo",
        "name": version.experience.title,
        "step": [
            {
                "@type": "HowToStep",
                "position": place,
                "name": str(step.get("title") or step["id"]),
                "text": wording.step_kind(step),
                "url": f"{address}#steps",
            }
            for place, step in enumerate(steps, start=1)
        ],
    }
