"""One experience, and one version of it with its verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.actors import Actor
from experiences.access import may_see_evidence, superseding, version_for
from experiences.models import CheckStrength, Experience, Version
from experiences.reverification import rules_for
from experiences.selectors import strengths_of
from licensing.models import Grant, Offer
from licensing.offered import is_ordered
from licensing.selectors import grant_of, offers_of
from marketplace import frontier, proofs, selectors
from marketplace.links import experience_links
from marketplace.moderation import hiding_case
from marketplace.pages.base import acting, page
from marketplace.pages.browse import session_facts
from marketplace.procedure import procedure, replay_commands, replay_in_python
from marketplace.provenance import origin_lines, public_name
from marketplace.quality import score_of
from marketplace.quality_wording import quality_sheet
from marketplace.reviews import best_of
from marketplace.strength_wording import strength_sheet


@require_safe
@page
def experience(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    actor = acting(request)
    version = version_for(actor, organization, name, "latest", related=["score"])
    found = version.experience
    versions = selectors.versions_of(found)
    shown = [item for item in versions if item.yanked_at is None][: proofs.MATRIX_VERSIONS]
    verdicts = proofs.Verdicts([version, *(item for item in shown if item.pk != version.pk)])
    rating, ratings = best_of(actor, found)
    license = _license(actor, found)
    is_sold = bool(license["offers"]) and all(map(is_ordered, license["offers"]))
    context = {
        **_head(found, version),
        "superseded_by": superseding(actor, found),
        **license,
        **procedure(version, session_facts(request)),
        **_origin(version),
        "replay_commands": replay_commands(version, is_sold=is_sold),
        "replay_in_python": replay_in_python(version),
        "verification": verdicts.status(version),
        "signed_count": verdicts.signed_count(version),
        "proof": selectors.proof_sheet(verdicts.newest(version), version.manifest),
        "strips": verdicts.strips(),
        "matrix": verdicts.matrix(),
        **_badge(found),
        "rating": rating,
        "ratings": ratings,
        "quality": quality_sheet(score_of(found)),
        "links": experience_links(version, rating=rating, license=str(version.manifest.get("license", ""))),
        "version_rows": list(zip_longest(versions, versions[1:])),
        "hiding": hiding_case(found),
    }
    return render(request, "marketplace/experience.html", context)


@require_safe
@page
def version(request: HttpRequest, organization: str, name: str, version: str) -> HttpResponse:
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    verdicts = proofs.Verdicts([found])
    verifications = verdicts.newest(found)
    strengths = strengths_of(found)
    may_publish = actor.acts_for(found.experience.organization_id) and "publish" in actor.scopes
    context = {
        **_head(found.experience, found),
        "superseded_by": superseding(actor, found.experience),
        **procedure(found, session_facts(request)),
        **_origin(found),
        "frontier": frontier.sheets(found, is_full=False),
        "may_publish": may_publish,
        "verification": verdicts.status(found),
        "proof": selectors.proof_sheet(verifications, found.manifest),
        "verifications": [_judged(item, strengths.get(item.environment_id or 0)) for item in verifications],
        "strips": verdicts.strips(),
        "outcomes": selectors.outcomes_of(found),
        "rules": rules_for(found.experience),
        "may_watch": may_see_evidence(actor, found.experience),
        # A note may name folders and settings of this machine.
        "may_read_notes": actor.is_operator or actor.acts_for(found.experience.organization_id),
    }
    return render(request, "marketplace/version.html", context)


def _head(found: Experience, version: Version) -> dict[str, Any]:
    slug = found.organization.slug
    return {
        "section": "browse",
        "experience": found,
        "name": f"{slug}/{found.name}",
        "version": version,
        "version_url": reverse("version", args=[slug, found.name, version.version]),
        "license": version.manifest.get("license", ""),
    }


def _badge(found: Experience) -> dict[str, str]:
    """The badge and how to show it on another page; a private experience has none."""
    if found.visibility != Experience.Visibility.PUBLIC:
        return {}
    slug, site = [found.organization.slug, found.name], settings.KEIKEN.site_url.rstrip("/")
    picture, target = reverse("badge", args=slug), reverse("experience", args=slug)
    return {"badge_url": picture, "badge_markdown": f"[![Keiken]({site}{picture})]({site}{target})"}


def _license(actor: Actor, found: Experience) -> dict[str, Any]:
    own = actor.acts_for(found.organization_id)
    grant = None if own or not actor.is_known else grant_of(actor, found)
    return {
        "own": own,
        "grant": grant,
        "granted": grant is not None,
        "offers": [] if own else _takable(offers_of(found, actor), grant),
        "can_offer": own and "publish" in actor.scopes,
    }


def _takable(offers: Iterable[Offer], held: Grant | None) -> list[Offer]:
    """With a license, only what may be bought in its place."""
    if held is None:
        return list(offers)
    return [offer for offer in offers if is_ordered(offer) and offer.pk != held.acceptance.offer_id]


def _origin(version: Version) -> dict[str, Any]:
    return {"published_by": public_name(version), "origin": origin_lines(version.manifest)}


def _judged(item: Any, strength: CheckStrength | None) -> dict[str, Any]:
    return {
        "row": item,
        "strength": strength_sheet(strength),
        "results": sorted(item.results.all(), key=lambda result: result.scenario),
        "is_signed": item.attested_at is not None,
    }
