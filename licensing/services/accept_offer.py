"""An organization accepts an offer: who, when, exactly which text; then it may use the experience."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, NotFound
from accounts.models import Organization
from accounts.services import audit
from licensing.access import offer_for
from licensing.drivers import DRIVERS
from licensing.models import Acceptance, Grant, Offer
from licensing.selectors import facts_of, unended_grants
from licensing.services.permissions import give_permissions, take_permissions


def accept_offer(*, actor: Actor, offer_id: Any, terms_sha256: str) -> Grant:
    """The grant; accepting the same text again while it holds gives the same one, also for two clicks at once.

    Raises Unauthenticated, Forbidden, NotFound; Conflict ``terms_changed`` when the text is not the one shown or the
    offer was replaced (``details`` has the present offer and hash), Conflict ``other_terms_accepted`` while a license
    on other terms holds; and whatever the offer's driver asks for.
    """
    actor.require("license")
    assert actor.organization_id is not None, "the scope comes with an organization"
    with transaction.atomic(durable=True):
        # The lock makes acceptances of one organization wait for each other; it blocks nobody else.
        organization = (
            Organization.objects.select_related("group")
            .select_for_update(of=("self",), no_key=True)
            .get(pk=actor.organization_id)
        )
        offer = offer_for(actor, offer_id)
        held = (
            unended_grants()
            .select_related("acceptance__offer__terms", "organization", "experience__organization")
            .filter(organization=organization, experience=offer.experience)
            .first()
        )
        if held and held.acceptance.text_sha256 == offer.terms.text_sha256 == terms_sha256:
            return held
        _require_present_text(offer, terms_sha256)
        DRIVERS[offer.kind].admit(facts_of(offer), buyer_id=organization.pk)
        if held is not None:
            raise _other_terms(held)
        now = timezone.now()
        _close_ended(organization, offer, now)
        return _grant(actor, organization, offer, now)


def _require_present_text(offer: Offer, terms_sha256: str) -> None:
    present: Offer | None = offer
    if not offer.is_active:
        present = (
            Offer.objects.select_related("terms")
            .filter(experience=offer.experience, kind=offer.kind, is_active=True)
            .first()
        )
    if present is None:
        raise NotFound(_("offer"))
    if present.pk != offer.pk or terms_sha256 != present.terms.text_sha256:
        raise Conflict(
            "terms_changed",
            _("The text you accepted is not the text of the offer as it is now."),
            _("Read the terms again and accept them with their hash."),
            {
                "offer": str(present.pk),
                "terms_sha256": present.terms.text_sha256,
                "terms_url": f"/api/v1/terms/{present.terms_id}",
            },
        )


def _other_terms(held: Grant) -> Conflict:
    return Conflict(
        "other_terms_accepted",
        _("Your organization already has a license for this, on the terms {terms}.").format(
            terms=held.acceptance.offer.terms
        ),
        _("Nothing more is needed. Accept the new terms when that license has ended."),
        {"grant": str(held.pk), "ends_at": held.ends_at.isoformat() if held.ends_at else None},
    )


def _close_ended(organization: Organization, offer: Offer, now: datetime) -> None:
    """A grant that has ended but was not swept yet still holds the one open place."""
    of_theirs = Grant.objects.select_related("organization__group").filter(
        experience=offer.experience, organization=organization
    )
    ended = of_theirs.filter(ends_at__lte=now, revoked_at__isnull=True, closed_at__isnull=True)
    for grant in ended.select_for_update(of=("self",)):
        Grant.objects.filter(pk=grant.pk).update(closed_at=now)
        take_permissions(grant)


def _grant(actor: Actor, organization: Organization, offer: Offer, now: datetime) -> Grant:
    assert actor.id is not None
    acceptance = Acceptance.objects.create(
        offer=offer,
        organization=organization,
        accepted_by_kind=actor.kind,
        accepted_by_id=actor.id,
        accepted_by_name=actor.seen_from_outside().name[:100],
        text_sha256=offer.terms.text_sha256,
        at=now,
    )
    grant = Grant.objects.create(
        acceptance=acceptance,
        experience=offer.experience,
        organization=organization,
        starts_at=now,
        ends_at=DRIVERS[offer.kind].ends_at(facts_of(offer), starts_at=now),
    )
    give_permissions(grant)
    details = {"grant": str(grant.pk), "offer": str(offer.pk), "text_sha256": acceptance.text_sha256}
    target, publisher_id = str(offer.experience), offer.experience.organization_id
    audit.record(actor=actor, action="license.accept", target=target, organization_id=organization.pk, details=details)
    if publisher_id != organization.pk:
        audit.record(
            actor=actor.seen_from_outside(),
            action="license.given",
            target=target,
            organization_id=publisher_id,
            details={**details, "organization": organization.slug},
        )
    return grant
