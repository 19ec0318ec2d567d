"""May this organization use this experience: its own, or licensed to it now. The one place that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor, Scope
from accounts.domain.refusals import Forbidden, PaymentRequired, Refusal
from experiences.access import has_permission
from experiences.models import Experience
from keiken.conditions.versions import in_range
from licensing.domain.bookkeeping import in_words
from licensing.models import Grant, Offer
from licensing.offered import is_ordered
from licensing.selectors import grant_of, last_grant, offers_of
from licensing.services.take_seat import take_seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """Why an organization may use an experience."""

    basis: Literal["own", "grant"]
    grant: Grant | None = None


def entitlement(
    actor: Actor,
    experience: Experience,
    *,
    scope: Scope,
    permission: Literal["download_experience", "replay_experience"],
    version: str = "",
) -> Entitlement:
    """Raises authentication_required (401), scope_missing, version_not_licensed, seats_taken (403), or why there is no
    license: license_required and its kin (403), payment_required (402).

    ``experience`` must come from ``experiences.access``: whoever may not see it never gets here.
    """
    actor.require(scope)
    if actor.acts_for(experience.organization_id):
        return Entitlement(basis="own")
    grant = grant_of(actor, experience)
    if grant is None:
        raise license_missing(actor, experience)
    # Both must say yes: the permission is what the rest of the platform asks, the grant is what runs out.
    if not has_permission(actor, permission, experience):
        raise _use_missing(grant, experience)
    versions = grant.acceptance.offer.versions
    if version and versions and not in_range(version, versions):
        raise _version_missing(grant, experience, version)
    take_seat(actor=actor, grant=grant)
    return Entitlement(basis="grant", grant=grant)


def license_missing(actor: Actor, experience: Experience) -> Refusal:
    """Why there is no current license: what became of the last one, or how to get one."""
    last = last_grant(actor.organization_id, experience.pk) if actor.organization_id is not None else None
    if last is None or (reason := _what_became(last)) is None:
        return license_required(actor, experience)
    code, message, advice = reason
    return Forbidden(
        code,
        message.format(name=experience),
        advice,
        {"grant": str(last.pk), "offers": [offer_summary(offer) for offer in offers_of(experience, actor)]},
    )


def _what_became(grant: Grant) -> tuple[str, str, str] | None:
    """(code, message, advice) of a grant that permits no longer; None for one that has not begun."""
    if grant.revoked_at is not None:
        texts = {
            "license_refunded": (
                _("The payment for your license of {name} was given back."),
                _("Buy it again, or ask the publisher."),
            ),
            "license_disputed": (
                _("The payment for your license of {name} was disputed and lost."),
                _("An owner of your organization settles it with the publisher."),
            ),
        }
        code = grant.revoked_code or "license_revoked"
        message, advice = texts.get(
            code,
            (
                _("The publisher has taken back your license of {name}."),
                _("Ask the publisher; the reason stands with the license."),
            ),
        )
        return code, message, advice
    if grant.frozen_at is not None:
        return (
            "license_frozen",
            _("Your license of {name} rests while its payment is disputed."),
            _("An owner of your organization settles the dispute; then it holds again."),
        )
    if grant.ends_at is not None and grant.ends_at <= timezone.now():
        return (
            "license_expired",
            _("Your license of {name} has ended."),
            _("Accept or buy an offer again; they are listed with it."),
        )
    return None


def _use_missing(grant: Grant, experience: Experience) -> Forbidden:
    return Forbidden(
        "use_not_licensed",
        _("Your license of {name} is for {uses} only.").format(
            name=experience, uses=", ".join(grant.acceptance.offer.terms.uses)
        ),
        _("Look for another offer on its page."),
        {"grant": str(grant.pk)},
    )


def _version_missing(grant: Grant, experience: Experience, version: str) -> Forbidden:
    versions = grant.acceptance.offer.versions
    return Forbidden(
        "version_not_licensed",
        _("Your license of {name} is for the versions {versions}, not for {version}.").format(
            name=experience, versions=versions, version=version
        ),
        _("Use one of those, or look for another offer on its page."),
        {"grant": str(grant.pk), "versions": versions},
    )


def license_required(actor: Actor, experience: Experience) -> Refusal:
    """The refusal that says which offers there are and how to take one; 402 where all of them cost money."""
    name = str(experience)
    offers = offers_of(experience, actor)
    if offers and all(is_ordered(offer) for offer in offers):
        return PaymentRequired(
            "payment_required",
            _("{name} is licensed against payment.").format(name=name),
            _("Read the terms and buy an offer: 'keiken buy {name}', or on its page.").format(name=name),
            {"offers": [offer_summary(offer) for offer in offers]},
        )
    advice = (
        _("Read the terms and accept an offer: 'keiken accept {name}', or on its page.").format(name=name)
        if offers
        else _("Ask the publisher for an offer; none is open to your organization now.")
    )
    return Forbidden(
        "license_required",
        _("Your organization has no current license for {name}.").format(name=name),
        advice,
        {"offers": [offer_summary(offer) for offer in offers]},
    )


def offer_summary(offer: Offer) -> dict[str, Any]:
    """An offer as listings and refusals show it: enough to accept it in one further request."""
    terms = offer.terms
    return {
        "id": str(offer.id),
        "kind": offer.kind,
        "terms": {
            "id": str(terms.id),
            "name": terms.name,
            "version": terms.version,
            "kind": terms.kind,
            "spdx": terms.spdx,
            "text_sha256": terms.text_sha256,
            "uses": list(terms.uses),
            "text_url": f"/api/v1/terms/{terms.id}",
        },
        "grant_days": offer.grant_days,
        "versions": offer.versions,
        "price": in_words(offer.price_minor, offer.currency) if offer.price_minor else "",
    }
