"""Keeping what a search knows of an experience's offers in step with them."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from experiences.models import Experience
from experiences.services.list_terms import list_terms
from licensing.domain.bands import lowest_band
from licensing.models import Offer

KINDS_OF_PUBLISHER = (Offer.Kind.ORGANIZATION,)
"""Not for others, so no stranger chooses by them."""
NO_PRICE_YET = (Offer.Kind.REQUEST,)


def refresh_listed_terms(experience_id: int) -> None:
    """Call it inside the transaction that changed an offer of this experience."""
    Experience.objects.select_for_update(no_key=True).only("pk").get(pk=experience_id)
    public = Offer.objects.filter(experience_id=experience_id, is_active=True, is_private=False)
    public = public.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now())).exclude(kind__in=KINDS_OF_PUBLISHER)
    rows = list(public.values_list("kind", "price_minor", "currency"))
    list_terms(
        experience_id=experience_id,
        license_kinds=[kind for kind, _price, _currency in rows],
        price=lowest_band((price, currency) for kind, price, currency in rows if kind not in NO_PRICE_YET),
    )
