"""Offers with a price, orders and what became of them, for tests."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from guardian.models import GroupObjectPermission

from accounts.actors import Actor
from accounts.models import Membership, Organization
from licensing.models import LedgerLine, Offer, Order
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.place_order import place_order
from licensing.services.record_invoice import record_invoice
from tests import factories
from tests.accounts.conftest import actor_for
from tests.licensing.conftest import Shop


def offer_of(shop: Shop, **pricing: Any) -> Offer:
    kind = "subscription" if pricing.get("interval") else "purchase"
    days = pricing.pop("grant_days", None)
    priced = Pricing(**{"price_minor": 4_900, "currency": "EUR", **pricing})
    return create_offer(
        actor=shop.publisher, experience=shop.public, terms=shop.terms, kind=kind, grant_days=days, pricing=priced
    )


def order(shop: Shop, offer: Offer, buyer: Any = None) -> Order:
    return place_order(
        actor=buyer or shop.buyer,
        offer_id=offer.pk,
        terms_sha256=offer.terms.text_sha256,
        return_url="http://127.0.0.1/x",
    )


def new_buyer(slug: str) -> Actor:
    organization = factories.organization(slug)
    person = factories.person(f"buyer@{slug}.example")
    Membership.objects.create(person=person, organization=organization, role="buyer")
    return actor_for(person, organization)


def permissions_of(organization: Organization) -> set[str]:
    rows = GroupObjectPermission.objects.filter(group_id=organization.group_id)
    return set(rows.values_list("permission__codename", flat=True))


def end_state(row: Order) -> dict[str, Any]:
    """All that must not depend on how it was heard; times of ours are left out."""
    row.refresh_from_db()
    lines = LedgerLine.objects.filter(transaction__movement__order=row)
    sums = lines.values_list("account", "organization_id", "currency").annotate(sum=Sum("amount_minor"))
    grants = row.grants.order_by("experience_id")
    return {
        "state": row.state,
        "period_start": row.period_start,
        "period_end": row.period_end,
        "ends_with_period": row.ends_with_period,
        "ledger": sorted(map(tuple, sums), key=str),
        "keys": sorted(row.movements.values_list("kind", "external_id", "amount_minor")),
        "grants": [
            (grant.starts_at, grant.ends_at, bool(grant.frozen_at), bool(grant.revoked_at), grant.revoked_code)
            for grant in grants
        ],
        "permissions": permissions_of(row.organization),
    }


def ledger_sums() -> dict[str, int]:
    """What all lines of a currency come to. In a ledger that balances each is 0."""
    rows = LedgerLine.objects.values("currency").annotate(sum=Sum("amount_minor")).values_list("currency", "sum")
    return dict(rows)


OPERATOR = Actor(kind="person", id=1, name="operator", is_operator=True)


def pay(row: Order, *, amount_minor: int | None = None, reference: str = "bank-1") -> Order:
    """The operator has seen the money."""
    return record_invoice(
        actor=OPERATOR,
        number=row.number,
        kind="paid",
        amount_minor=row.total_minor if amount_minor is None else amount_minor,
        reference=reference,
    )
