"""An organization accepts an offer: who, when, exactly which text; then it may use the experience."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from guardian.shortcuts import assign_perm

from accounts.actors import Actor
from accounts.domain.refusals import Conflict
from accounts.models import Organization
from accounts.services import audit
from licensing.access import offer_for
from licensing.drivers import DRIVERS
from licensing.models import Acceptance, Grant, Offer
from licensing.selectors import current_grants

PERMISSIONS = ("download_experience", "replay_experience")


def accept_offer(*, actor: Actor, offer_id: Any, terms_sha256: str) -> Grant:
    """The grant; accepting again while it holds gives the same one, also for two clicks at once.

    Raises Unauthenticated, Forbidden, NotFound, or Conflict ``terms_changed`` when the text is not the one shown.
    """
    actor.require("license")
    offer = offer_for(actor, offer_id)
    if actor.organization_id is None:
        actor.require("license", offer.experience.organization_id)
    assert actor.organization_id is not None
    DRIVERS[offer.kind].admit(buyer_id=actor.organization_id, publisher_id=offer.experience.organization_id)
    if terms_sha256 != offer.terms.text_sha256:
        raise Conflict(
            "terms_changed",
            _("The text you accepted is not the text of this offer."),
            _("Read the terms as they are now and accept them with their hash."),
            {"terms_sha256": offer.terms.text_sha256},
        )
    with transaction.atomic(durable=True):
        organization = Organization.objects.select_for_update().select_related("group").get(pk=actor.organization_id)
        held = current_grants().filter(experience=offer.experience, organization=organization).first()
        return held or _grant(actor, organization, offer)


def _grant(actor: Actor, organization: Organization, offer: Offer) -> Grant:
    now = timezone.now()
    # A grant that has ended but was not swept yet still holds the one open place.
    Grant.objects.filter(experience=offer.experience, organization=organization, revoked_at__isnull=True).update(
        revoked_at=now, revoked_reason="ended"
    )
    acceptance = Acceptance.objects.create(
        offer=offer,
        organization=organization,
        accepted_by_kind=actor.kind,
        accepted_by_id=actor.id or 0,
        accepted_by_name=actor.name[:100],
        text_sha256=offer.terms.text_sha256,
        at=now,
    )
    grant = Grant.objects.create(
        acceptance=acceptance,
        experience=offer.experience,
        organization=organization,
        starts_at=now,
        ends_at=now + timedelta(days=offer.grant_days) if offer.grant_days else None,
    )
    for permission in PERMISSIONS:
        assign_perm(f"experiences.{permission}", organization.group, offer.experience)
    audit.record(
        actor=actor,
        action="license.accept",
        target=str(offer.experience),
        organization_id=organization.pk,
        details={"grant": str(grant.pk), "text_sha256": acceptance.text_sha256},
    )
    return grant
