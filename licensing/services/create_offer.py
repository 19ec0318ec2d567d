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

LONGEST_DAYS = 36_500


def create_offer(
    *, actor: Actor, experience: Experience, terms: Terms, kind: str, grant_days: int | None = None
) -> Offer:
    """The same offer again is the same row. Raises Unauthenticated, Forbidden, or Invalid ``offer_invalid``."""
    actor.require("publish", experience.organization_id)
    if kind not in DRIVERS:
        raise _invalid(_("The kind of offer is one of {kinds}.").format(kinds=", ".join(DRIVERS)))
    if terms.organization_id != experience.organization_id:
        raise _invalid(_("The terms belong to another organization."))
    if grant_days is not None and not 0 < grant_days <= LONGEST_DAYS:
        raise _invalid(_("A license lasts 1 to {days} days, or until it is revoked.").format(days=LONGEST_DAYS))
    with transaction.atomic(durable=True):
        Experience.objects.select_for_update(no_key=True).get(pk=experience.pk)
        active = Offer.objects.filter(experience=experience, kind=kind, is_active=True)
        replaced = active.first()
        if replaced and (replaced.terms_id, replaced.grant_days) == (terms.pk, grant_days):
            return replaced
        active.update(is_active=False)
        offer = Offer.objects.create(experience=experience, terms=terms, kind=kind, grant_days=grant_days)
        audit.record(
            actor=actor,
            action="offer.create",
            target=str(experience),
            organization_id=experience.organization_id,
            details={
                "kind": kind,
                "terms": str(terms.pk),
                "offer": str(offer.pk),
                "replaces": str(replaced.pk) if replaced else None,
            },
        )
    return offer


def _invalid(message: str) -> Invalid:
    return Invalid("offer_invalid", message, _("Correct it and send the offer again; nothing was kept."))
