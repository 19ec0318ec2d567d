"""Reading offers and grants."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.actors import Actor
from experiences.models import Experience
from licensing.drivers import DRIVERS
from licensing.models import Grant, Offer


def offers_of(experience: Experience, actor: Actor) -> list[Offer]:
    """The active offers that the actor's organization may see, oldest first."""
    offers = Offer.objects.filter(experience=experience, is_active=True).select_related(
        "terms", "experience__organization"
    )
    return [
        offer
        for offer in offers.order_by("created_at", "pk")
        if DRIVERS[offer.kind].may_see(buyer_id=actor.organization_id, publisher_id=experience.organization_id)
    ]


def current_grants() -> QuerySet[Grant]:
    """Grants that hold now. What has ended does not, whether or not it was swept."""
    now = timezone.now()
    return Grant.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=now), revoked_at__isnull=True, starts_at__lte=now
    )


def grant_of(actor: Actor, experience: Experience) -> Grant | None:
    """The current grant of the actor's organization."""
    if actor.organization_id is None:
        return None
    return current_grants().filter(experience=experience, organization_id=actor.organization_id).first()


def grants_concerning(actor: Actor) -> QuerySet[Grant]:
    """Every grant the actor's organization holds or has given."""
    return (
        Grant.objects.filter(
            Q(organization_id=actor.organization_id) | Q(experience__organization_id=actor.organization_id)
        )
        .select_related("organization", "experience__organization", "acceptance__offer__terms")
        .order_by("-starts_at", "pk")
    )
