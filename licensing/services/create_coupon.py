"""A publisher gives away a reduction by its code, and ends it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid, NotFound
from accounts.models import Organization
from accounts.services import audit
from licensing.models import Coupon
from licensing.services.create_offer import CURRENCIES, LARGEST_PRICE_MINOR

CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9-]{2,39}")


def create_coupon(
    *,
    actor: Actor,
    organization: Organization,
    code: str,
    percent_off: int = 0,
    amount_off_minor: int = 0,
    currency: str = "",
    redemptions_limit: int | None = None,
    expires_at: datetime | None = None,
) -> Coupon:
    """Either a share of the price or an amount in a currency. The same coupon again is the same row.

    Raises Unauthenticated, Forbidden, Invalid ``coupon_invalid``, Conflict ``coupon_code_taken``.
    """
    actor.require("publish", organization.pk)
    code = code.strip().upper()
    wanted = {
        "percent_off": percent_off,
        "amount_off_minor": amount_off_minor,
        "currency": currency if amount_off_minor else "",
        "redemptions_limit": redemptions_limit,
        "expires_at": expires_at,
    }
    _check(code, percent_off, amount_off_minor, currency, redemptions_limit)
    with transaction.atomic(durable=True):
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        known = Coupon.objects.filter(organization=organization, code=code).first()
        if known is not None:
            if all(getattr(known, name) == value for name, value in wanted.items()):
                return known
            raise Conflict(
                "coupon_code_taken",
                _("The code {code} stands for another reduction already.").format(code=code),
                _("Take another code; nothing was changed."),
            )
        coupon = Coupon.objects.create(organization=organization, code=code, **wanted)
        _record(actor, coupon, "coupon.create")
    return coupon


def end_coupon(*, actor: Actor, organization: Organization, code: str) -> Coupon:
    """Nobody can use it from now on; orders placed with it stay. Raises Unauthenticated, Forbidden, NotFound."""
    actor.require("publish", organization.pk)
    with transaction.atomic(durable=True):
        coupon = Coupon.objects.select_for_update().filter(organization=organization, code=code.strip().upper()).first()
        if coupon is None:
            raise NotFound(_("coupon"))
        if coupon.expires_at is None or coupon.expires_at > timezone.now():
            coupon.expires_at = timezone.now()
            coupon.save(update_fields=["expires_at"])
            _record(actor, coupon, "coupon.end")
    return coupon


def _check(code: str, percent_off: int, amount_off_minor: int, currency: str, limit: int | None) -> None:
    if not CODE.fullmatch(code):
        raise _invalid(_("A code has 3 to 40 letters of A to Z, digits and hyphens."))
    if bool(percent_off) == bool(amount_off_minor) or not 0 <= percent_off <= 100:
        raise _invalid(_("A coupon takes off 1 to 100 percent, or an amount."))
    if amount_off_minor and (currency not in CURRENCIES or not 0 < amount_off_minor <= LARGEST_PRICE_MINOR):
        raise _invalid(_("An amount is in one of {names}.").format(names=", ".join(CURRENCIES)))
    if limit is not None and limit < 1:
        raise _invalid(_("A coupon can be used once at least."))


def _invalid(message: str) -> Invalid:
    return Invalid("coupon_invalid", message, _("Correct it and send it again; nothing was kept."))


def _record(actor: Actor, coupon: Coupon, action: str) -> None:
    audit.record(actor=actor, action=action, target=coupon.code, organization_id=coupon.organization_id)
