"""What other programs read: Atom feeds, the card of an experience, the map of the site, and what robots may."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.contrib.sitemaps import Sitemap
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.actors import ANONYMOUS
from accounts.domain.refusals import Refusal
from experiences.access import version_for
from experiences.models import Experience
from experiences.selectors import verification_status
from marketplace import feeds, proofs
from marketplace.card import DRAWING
from marketplace.card import card as drawn_card
from marketplace.links import whole
from marketplace.pages.proofs import badge_words

FEED_SECONDS = 300
CARD_SECONDS = 3_600
SITEMAP_ENTRIES = 5_000


@require_safe
def new(request: HttpRequest) -> HttpResponse:
    versions = feeds.new_versions(feeds.public_experiences())
    return _atom(request, feeds.versions_feed(_("Keiken: new versions"), request.path, reverse("browse"), versions))


@require_safe
def topic(request: HttpRequest, name: str) -> HttpResponse:
    """Empty for a topic nobody has used yet: somebody may wait for its first."""
    versions = feeds.new_versions(feeds.public_experiences(topic=name))
    title = _("Keiken: new in {topic}").format(topic=name)
    return _atom(request, feeds.versions_feed(title, request.path, f"{reverse('browse')}?topic={name}", versions))


@require_safe
def publisher(request: HttpRequest, slug: str) -> HttpResponse:
    versions = feeds.new_versions(feeds.public_experiences(organization=slug))
    if not versions:
        raise Http404
    title = _("Keiken: new from {publisher}").format(publisher=versions[0].experience.organization.name)
    return _atom(request, feeds.versions_feed(title, request.path, reverse("publisher", args=[slug]), versions))


@require_safe
def experience(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    """Of one experience, what changed in its verdicts."""
    rows = feeds.public_experiences(organization=organization, name=name)
    if not rows.exists():
        raise Http404
    title = _("Keiken: verdicts of {name}").format(name=f"{organization}/{name}")
    page = reverse("experience", args=[organization, name])
    return _atom(request, feeds.verdicts_feed(title, request.path, page, feeds.changed_verdicts(rows)))


@require_safe
def verdicts(request: HttpRequest) -> HttpResponse:
    changed = feeds.changed_verdicts(feeds.public_experiences())
    return _atom(
        request, feeds.verdicts_feed(_("Keiken: verdicts that changed"), request.path, reverse("matrix"), changed)
    )


@require_safe
def card(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    """The same picture for everybody: what is private has none, not even for its publisher."""
    try:
        version = version_for(ANONYMOUS, organization, name, "latest")
    except Refusal as refusal:
        raise Http404 from refusal
    status = verification_status(version)
    state = proofs.badge_state(status)
    parts = {
        "title": version.experience.title,
        "name": f"{version.experience} {version.version}",
        "state": state,
        "word": badge_words()[state],
        "detail": ", ".join(name for name, item in status["environments"].items() if item["verdict"] == "passed"),
    }
    told = repr((DRAWING, sorted(parts.items()))).encode()
    response = _kept(request, told, lambda: drawn_card(**parts), "image/png", CARD_SECONDS)
    # It is made to be shown on other sites.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    closed = ("/accounts/", "/acting-organization", "/api/", "/facts", "/operator/", "/organizations/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in closed), "", f"Sitemap: {whole('/sitemap.xml')}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


class _Map(Sitemap):  # type: ignore[type-arg]  # generic in the stubs only
    limit = SITEMAP_ENTRIES

    def get_domain(self, site: object = None) -> str:
        return whole("").split("://", 1)[1]

    def get_protocol(self, protocol: str | None = None) -> str:
        return whole("").split("://", 1)[0]


class PagesMap(_Map):
    def items(self) -> list[str]:
        return ["home", "browse", "matrix"]

    def location(self, item: object) -> str:
        return reverse(str(item))


class ExperiencesMap(_Map):
    def items(self) -> Any:
        rows = feeds.public_experiences().select_related("organization", "latest").order_by("pk")
        return rows.only("name", "organization__slug", "latest__published_at")

    def location(self, item: object) -> str:
        assert isinstance(item, Experience)
        return reverse("experience", args=[item.organization.slug, item.name])

    def lastmod(self, item: Experience) -> object:
        return item.latest.published_at if item.latest else None


class PublishersMap(_Map):
    def items(self) -> Any:
        return feeds.public_experiences().order_by("organization__slug").values_list(
            "organization__slug", flat=True
        ).distinct()  # fmt: skip

    def location(self, item: object) -> str:
        return reverse("publisher", args=[item])


SITEMAPS = {"pages": PagesMap, "experiences": ExperiencesMap, "publishers": PublishersMap}


def _atom(request: HttpRequest, content: bytes) -> HttpResponse:
    return _kept(request, content, lambda: content, "application/atom+xml; charset=utf-8", FEED_SECONDS)


def _kept(request: HttpRequest, told: bytes, make: Callable[[], bytes], kind: str, seconds: int) -> HttpResponse:
    """Kept by readers for a while, and then neither made nor sent again as long as ``told`` is the same."""
    tag = f'"{hashlib.sha256(told).hexdigest()[:32]}"'
    matches = tag in request.headers.get("If-None-Match", "")
    response = HttpResponseNotModified() if matches else HttpResponse(make(), content_type=kind)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    return response
