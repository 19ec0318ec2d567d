"""A publisher takes an offer from the shelf: nobody can accept it any more; grants given on it stay."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from accounts.actors import Actor
from accounts.services import audit
from licensing.access import own_offer_for
from licensing.models import Offer
from licensing.services.listed_terms import refresh_listed_terms


def withdraw_offer(*, actor: Actor, offer_id: Any) -> Offer:
    """Withdrawing twice changes nothing. Raises Unauthenticated, Forbidden, NotFound."""
    actor.require("publish")
    offer = own_offer_for(actor, offer_id)
    with transaction.atomic(durable=True):
        if Offer.objects.filter(pk=offer.pk, is_active=True).update(is_active=False):
            refresh_listed_terms(offer.experience_id)
            audit.record(
                actor=actor,
                action="offer.withdraw",
                target=str(offer.experience),
                organization_id=offer.experience.organization_id,
                details={"kind": offer.kind, "offer": str(offer.pk)},
            )
    offer.is_active = False
    return offer
