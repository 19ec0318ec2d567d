"""A publisher offers an experience on terms. A new offer of the same kind, plan, currency and interval replaces the one
before; grants stay.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Organization
from accounts.services import audit
from experiences.models import Experience
from keiken.conditions.versions import specifier
from licensing.drivers import DRIVERS, PAID_KINDS
from licensing.models import Offer, Terms
from licensing.services.listed_terms import refresh_listed_terms

LONGEST_DAYS: Final = 36_500
LARGEST_PRICE_MINOR: Final = 99_999_999
"""Stripe's largest amount of a payment."""
CURRENCIES: Final = ("EUR", "USD", "GBP", "CHF", "JPY", "AUD", "CAD", "SEK", "NOK", "DKK", "SGD", "KRW")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What an offer costs and how far a license on it goes; the fields of ``licensing.models.Offer``."""

    plan: str = ""
    price_minor: int = 0
    currency: str = ""
    interval: str = ""
    trial_days: int = 0
    seats: int | None = None
    stock: int | None = None
    replays_free: int = 0
    replays_quota: int | None = None
    versions: str = ""
    expires_at: datetime | None = None


FREE_OF_CHARGE: Final = Pricing()


def create_offer(
    *,
    actor: Actor,
    experience: Experience,
    terms: Terms,
    kind: str,
    grant_days: int | None = None,
    pricing: Pricing = FREE_OF_CHARGE,
    recipients: Sequence[Organization] = (),
    bundled: Sequence[Experience] = (),
) -> Offer:
    """The same offer again is the same row. ``recipients`` make it private: only they and the publisher see it.

    Raises Unauthenticated, Forbidden, or Invalid ``offer_invalid``.
    """
    actor.require("publish", experience.organization_id)
    _check(experience, terms, kind, grant_days, bundled)
    _check_pricing(kind, pricing)
    wanted: dict[str, Any] = {"terms": terms, "grant_days": grant_days, **asdict(pricing)}
    with transaction.atomic(durable=True):
        Experience.objects.select_for_update(no_key=True).get(pk=experience.pk)
        offer = Offer(experience=experience, kind=kind, is_private=bool(recipients), **wanted)
        active = Offer.objects.filter(**offer.place, is_active=True, is_private=bool(recipients))
        replaced = None if recipients else active.first()
        if replaced and _is_same(replaced, wanted, bundled):
            return replaced
        if not recipients:
            active.update(is_active=False)
        offer.save(force_insert=True)
        offer.recipients.set(recipients)
        offer.bundled.set(bundled)
        refresh_listed_terms(experience.pk)
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


def _is_same(offer: Offer, wanted: dict[str, Any], bundled: Sequence[Experience]) -> bool:
    if any(getattr(offer, name) != value for name, value in wanted.items()):
        return False
    return {row.pk for row in offer.bundled.all()} == {row.pk for row in bundled}


def _check(
    experience: Experience, terms: Terms, kind: str, grant_days: int | None, bundled: Sequence[Experience]
) -> None:
    if kind not in DRIVERS:
        raise _invalid(_("The kind of offer is one of {kinds}.").format(kinds=", ".join(DRIVERS)))
    if terms.organization_id != experience.organization_id:
        raise _invalid(_("The terms belong to another organization."))
    if grant_days is not None and not 0 < grant_days <= LONGEST_DAYS:
        raise _invalid(_("A license lasts 1 to {days} days, or until it is revoked.").format(days=LONGEST_DAYS))
    if any(row.organization_id != experience.organization_id for row in bundled):
        raise _invalid(_("A bundle holds experiences of one publisher."))


def _check_pricing(kind: str, pricing: Pricing) -> None:
    has_price = kind in PAID_KINDS or kind == Offer.Kind.METERED
    if has_price and not 0 < pricing.price_minor <= LARGEST_PRICE_MINOR:
        raise _invalid(_("A price is between 1 and {most} minor units.").format(most=LARGEST_PRICE_MINOR))
    if has_price and pricing.currency not in CURRENCIES:
        raise _invalid(_("The currency is one of {names}.").format(names=", ".join(CURRENCIES)))
    if not has_price and (pricing.price_minor or pricing.currency):
        raise _invalid(_("This kind of offer has no price."))
    if (kind == Offer.Kind.SUBSCRIPTION) != bool(pricing.interval) or pricing.interval not in ("", "month", "year"):
        raise _invalid(_("A subscription is paid by month or year, and nothing else is."))
    if pricing.trial_days and kind != Offer.Kind.SUBSCRIPTION:
        raise _invalid(_("Only a subscription has a trial."))
    counts = (pricing.seats, pricing.stock, pricing.replays_quota)
    if any(count is not None and count < 1 for count in counts) or pricing.replays_free < 0:
        raise _invalid(_("Seats, stock and replays are counted from one."))
    if pricing.plan and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", pricing.plan[:41]):
        raise _invalid(_("A plan's name has lower-case letters, digits and single hyphens, at most 40."))
    if pricing.versions and not _is_range(pricing.versions):
        raise _invalid(_("The versions are a range like '>=1.0,<2', or nothing for all of them."))
    if pricing.expires_at is not None and pricing.expires_at <= timezone.now():
        raise _invalid(_("The offer would have expired already."))


def _is_range(text: str) -> bool:
    try:
        return bool(specifier(text))
    except ValueError:
        return False


def _invalid(message: str) -> Invalid:
    return Invalid("offer_invalid", message, _("Correct it and send the offer again; nothing was kept."))
