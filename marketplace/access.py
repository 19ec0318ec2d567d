"""May this organization use this experience: its own, or licensed to it now. The one place that answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _

from accounts.actors import Actor, Scope
from accounts.domain.refusals import Forbidden
from experiences.access import has_permission
from experiences.models import Experience
from licensing.models import Grant, Offer
from licensing.selectors import grant_of, offers_of


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
) -> Entitlement:
    """Raises authentication_required (401), scope_missing (403) or license_required (403).

    ``experience`` must come from ``experiences.access``: whoever may not see it never gets here.
    """
    actor.require(scope)
    if actor.acts_for(experience.organization_id):
        return Entitlement(basis="own")
    grant = grant_of(actor, experience)
    # Both must say yes: the permission is what the rest of the platform asks, the grant is what runs out.
    if grant is None or not has_permission(actor, permission, experience):
        raise license_required(actor, experience)
    return Entitlement(basis="grant", grant=grant)


def license_required(actor: Actor, experience: Experience) -> Forbidden:
    """The refusal that says which offers there are and how to take one."""
    name = str(experience)
    offers = offers_of(experience, actor)
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
    }
