"""What accepting and ordering share: the present text, one open license, counted stock, the acceptance, the grants."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, NotFound
from accounts.models import Organization
from accounts.services import audit
from experiences.models import Experience
from licensing.models import Acceptance, Grant, Offer, Order
from licensing.selectors import unended_grants
from licensing.services.permissions import give_permissions, take_permissions


def locked_organization(organization_id: int) -> Organization:
    """The lock makes what one organization accepts and orders wait for each other; it blocks nobody else."""
    rows = Organization.objects.select_related("group").select_for_update(of=("self",), no_key=True)
    return rows.get(pk=organization_id)


def experiences_of(offer: Offer) -> list[Experience]:
    """All that a license on the offer opens: the experience itself first, then what is bundled with it."""
    return [offer.experience, *offer.bundled.select_related("organization").order_by("pk")]


def held_grant(organization: Organization, offer: Offer) -> Grant | None:
    return (
        unended_grants()
        .select_related("acceptance__offer__terms", "organization", "experience__organization")
        .filter(organization=organization, experience__in=experiences_of(offer))
        .first()
    )


def require_present_text(offer: Offer, terms_sha256: str) -> None:
    """Raises NotFound when the offer is gone, Conflict ``terms_changed`` when it or its text is another one now."""
    if offer.expires_at is not None and offer.expires_at <= timezone.now():
        raise NotFound(_("offer"))
    present: Offer | None = offer
    if not offer.is_active:
        present = (
            Offer.objects.select_related("terms")
            .filter(**offer.place, is_active=True, is_private=offer.is_private)
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


def other_terms(held: Grant) -> Conflict:
    return Conflict(
        "other_terms_accepted",
        _("Your organization already has a license for this, on the terms {terms}.").format(
            terms=held.acceptance.offer.terms
        ),
        _("Nothing more is needed. Accept the new terms when that license has ended."),
        {"grant": str(held.pk), "ends_at": held.ends_at.isoformat() if held.ends_at else None},
    )


def locked_offer(offer_id: uuid.UUID) -> Offer:
    """Whoever counts what is left of an offer waits here for those who count before."""
    return Offer.objects.select_for_update(no_key=True).get(pk=offer_id)


def require_stock(offer: Offer) -> None:
    """Raises Conflict ``sold_out``. Open licenses count, and orders that still may be paid."""
    if offer.stock is None:
        return
    stock = locked_offer(offer.pk).stock
    held = unended_grants().filter(acceptance__offer=offer, experience_id=offer.experience_id).count()
    waiting = Order.objects.filter(offer=offer, state=Order.State.OPEN, billed_month__isnull=True).count()
    if stock is not None and held + waiting >= stock:
        raise Conflict(
            "sold_out",
            _("All {count} licenses of this offer are taken.").format(count=stock),
            _("Ask the publisher for another offer."),
        )


def record_acceptance(actor: Actor, organization: Organization, offer: Offer, now: datetime) -> Acceptance:
    assert actor.id is not None
    return Acceptance.objects.create(
        offer=offer,
        organization=organization,
        accepted_by_kind=actor.kind,
        accepted_by_id=actor.id,
        accepted_by_name=actor.seen_from_outside().name[:100],
        text_sha256=offer.terms.text_sha256,
        at=now,
    )


def open_grants(
    actor: Actor,
    acceptance: Acceptance,
    *,
    starts_at: datetime,
    ends_at: datetime | None,
    order: Order | None = None,
) -> list[Grant]:
    """A grant for each experience of the offer, with its permissions and audit rows. The organization is locked."""
    made = []
    organization = acceptance.organization
    for experience in experiences_of(acceptance.offer):
        close_ended(organization, experience, timezone.now())
        if order is not None:
            replace_held(organization, experience)
        grant = Grant.objects.create(
            acceptance=acceptance,
            order=order,
            experience=experience,
            organization=organization,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        give_permissions(grant)
        _record(actor, grant)
        made.append(grant)
    return made


def close_ended(organization: Organization, experience: Experience, now: datetime) -> None:
    """A grant that has ended but was not swept yet still holds the one open place."""
    of_theirs = Grant.objects.select_related("organization__group").filter(
        experience=experience, organization=organization
    )
    ended = of_theirs.filter(ends_at__lte=now, revoked_at__isnull=True, closed_at__isnull=True)
    for grant in ended.select_for_update(of=("self",)):
        Grant.objects.filter(pk=grant.pk).update(closed_at=now)
        take_permissions(grant)


def replace_held(organization: Organization, experience: Experience) -> None:
    """What is paid for takes the place of a license held meanwhile; that one stays in the books, revoked."""
    held = (
        unended_grants()
        .select_related("organization__group")
        .filter(organization=organization, experience=experience, closed_at__isnull=True)
    )
    for grant in held.select_for_update(of=("self",)):
        reason = "Another license has taken its place."
        Grant.objects.filter(pk=grant.pk).update(
            revoked_at=timezone.now(), revoked_code="license_replaced", revoked_reason=reason
        )
        take_permissions(grant)


def _record(actor: Actor, grant: Grant) -> None:
    """In the trail of who has it, and of who gave it."""
    acceptance, organization = grant.acceptance, grant.organization
    details = {
        "grant": str(grant.pk),
        "offer": str(acceptance.offer_id),
        "text_sha256": acceptance.text_sha256,
        **({"order": str(grant.order)} if grant.order else {}),
    }
    target, publisher_id = str(grant.experience), grant.experience.organization_id
    audit.record(actor=actor, action="license.accept", target=target, organization_id=organization.pk, details=details)
    if publisher_id != organization.pk:
        audit.record(
            actor=actor.seen_from_outside(),
            action="license.given",
            target=target,
            organization_id=publisher_id,
            details={**details, "organization": organization.slug},
        )
