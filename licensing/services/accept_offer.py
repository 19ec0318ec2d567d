"""An organization accepts an offer that costs nothing now: who, when, exactly which text; then it may use it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from licensing.access import offer_for
from licensing.drivers import DRIVERS
from licensing.models import Grant, Offer
from licensing.offered import facts_of
from licensing.services.agreeing import (
    held_grant,
    locked_organization,
    open_grants,
    other_terms,
    record_acceptance,
    require_present_text,
    require_stock,
)
from licensing.services.spending import most_in_month, require_budget


def accept_offer(*, actor: Actor, offer_id: Any, terms_sha256: str) -> Grant:
    """The grant; accepting the same text again while it holds gives the same one, also for two clicks at once.

    Raises Unauthenticated, Forbidden, NotFound; Conflict ``terms_changed`` when the text is not the one shown or the
    offer was replaced (``details`` has the present offer and hash), Conflict ``other_terms_accepted`` while a license
    on other terms holds, Conflict ``sold_out``; for an agent that accepts what is paid by replay, Forbidden
    ``budget_exceeded`` or ``publisher_not_allowed``; and whatever the offer's driver asks for (``payment_required``,
    ``approval_required``, …).
    """
    actor.require("license")
    assert actor.organization_id is not None, "the scope comes with an organization"
    with transaction.atomic(durable=True):
        organization = locked_organization(actor.organization_id)
        offer = offer_for(actor, offer_id)
        held = held_grant(organization, offer)
        if held and held.acceptance.text_sha256 == offer.terms.text_sha256 == terms_sha256:
            return held
        require_present_text(offer, terms_sha256)
        DRIVERS[offer.kind].admit(facts_of(offer), buyer_id=organization.pk)
        if held is not None:
            raise other_terms(held)
        require_stock(offer)
        if actor.kind == "agent" and offer.kind == Offer.Kind.METERED:
            actor.require("purchase")
            require_budget(actor, organization, offer, most_in_month(offer))
        now = timezone.now()
        acceptance = record_acceptance(actor, organization, offer, now)
        ends_at = DRIVERS[offer.kind].ends_at(facts_of(offer), starts_at=now)
        return open_grants(actor, acceptance, starts_at=now, ends_at=ends_at)[0]
