"""Reading offers and grants. Whether a grant permits now is decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization
from experiences.models import Experience
from licensing.drivers import DRIVERS
from licensing.models import Grant, Movement, Offer, Order, Terms
from licensing.offered import facts_of


def is_open_to(offer: Offer, actor: Actor) -> bool:
    if offer.expires_at is not None and offer.expires_at <= timezone.now():
        return False
    return offer.is_active and DRIVERS[offer.kind].may_see(facts_of(offer), buyer_id=actor.organization_id)


def offers_of(experience: Experience, actor: Actor) -> list[Offer]:
    """The active offers that the actor's organization may see, oldest first."""
    offers = Offer.objects.filter(experience=experience, is_active=True).select_related(
        "terms", "experience__organization"
    )
    bundled = Prefetch("bundled", Experience.objects.select_related("organization"))
    offers = offers.prefetch_related(bundled).order_by("created_at", "pk")
    return [offer for offer in offers if is_open_to(offer, actor)]


def unended_grants() -> QuerySet[Grant]:
    """Grants that permit now or will: of one organization and experience there is never more than one."""
    return Grant.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=timezone.now()), revoked_at__isnull=True)


def last_grant(organization_id: int, experience_id: int) -> Grant | None:
    """The newest grant, whatever became of it: so a refusal can say why it permits no longer."""
    found = Grant.objects.filter(organization_id=organization_id, experience_id=experience_id)
    return found.order_by("-starts_at", "-acceptance_id").first()


def current_grants() -> QuerySet[Grant]:
    """Grants that permit now. What has ended does not, whether or not it was swept."""
    return unended_grants().filter(starts_at__lte=timezone.now(), frozen_at__isnull=True)


def current_grant(organization_id: int, experience_id: int) -> Grant | None:
    """The grant by which an organization may use an experience now. One query, never cached."""
    found = current_grants().select_related("acceptance__offer__terms")
    return found.filter(experience_id=experience_id, organization_id=organization_id).first()


def grant_of(actor: Actor, experience: Experience) -> Grant | None:
    """The current grant of the actor's organization."""
    return current_grant(actor.organization_id, experience.pk) if actor.organization_id is not None else None


def grants_concerning(actor: Actor) -> QuerySet[Grant]:
    """Every grant the actor's organization holds or has given."""
    if actor.organization_id is None:
        return Grant.objects.none()
    return Grant.objects.filter(
        Q(organization_id=actor.organization_id) | Q(experience__organization_id=actor.organization_id)
    ).select_related("organization", "experience__organization", "acceptance__offer__terms")


def terms_of(organization: Organization) -> QuerySet[Terms]:
    """An organization's own terms, all versions, without their texts."""
    return organization.terms.defer("text").order_by("name", "-version")


def payments_between(buyer_ids: Iterable[int]) -> set[tuple[int, int]]:
    """(buyer, seller) of every order of theirs that is paid for, with money that moved and was not given back."""
    rows = Order.objects.filter(
        organization_id__in=list(buyer_ids),
        state=Order.State.PAID,
        movements__kind=Movement.Kind.PAYMENT,
        movements__amount_minor__gt=0,
    )
    return set(rows.values_list("organization_id", "offer__experience__organization_id").distinct())
