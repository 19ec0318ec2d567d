"""A publisher offers an experience on terms. A new offer of the same kind replaces the one before; grants stay."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.services import audit
from experiences.models import Experience
from licensing.drivers import DRIVERS
from licensing.models import Offer, Terms

LONGEST_DAYS = 3650


def create_offer(
    *, actor: Actor, experience: Experience, terms: Terms, kind: str, grant_days: int | None = None
) -> Offer:
    """Raises Forbidden, or Invalid ``offer_invalid``. The same offer again is the same row."""
    actor.require("publish", experience.organization_id)
    if kind not in DRIVERS:
        raise Invalid("offer_invalid", _("The kind of offer is one of {kinds}.").format(kinds=", ".join(DRIVERS)))
    if terms.organization_id != experience.organization_id:
        raise Invalid("offer_invalid", _("The terms belong to another organization."))
    if grant_days is not None and not 0 < grant_days <= LONGEST_DAYS:
        raise Invalid("offer_invalid", _("A license lasts 1 to 3650 days, or until it is revoked."))
    with transaction.atomic(durable=True):
        Experience.objects.select_for_update().get(pk=experience.pk)
        active = Offer.objects.filter(experience=experience, kind=kind, is_active=True).first()
        if active is not None:
            if (active.terms_id, active.grant_days) == (terms.pk, grant_days):
                return active
            Offer.objects.filter(pk=active.pk).update(is_active=False)
        offer = Offer.objects.create(experience=experience, terms=terms, kind=kind, grant_days=grant_days)
        audit.record(
            actor=actor,
            action="offer.create",
            target=str(experience),
            organization_id=experience.organization_id,
            details={"kind": kind, "terms": str(terms), "offer": str(offer.pk)},
        )
    return offer
