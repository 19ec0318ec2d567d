"""The operator says what came in, or went back, for an invoice."""

from __future__ import annotations

from typing import Any, Literal

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid, NotFound
from accounts.services import audit
from licensing.models import InvoiceEntry, Order
from licensing.services.settle_order import settle_order


def record_invoice(
    *, actor: Actor, number: int, kind: Literal["paid", "refunded"], amount_minor: int, reference: str
) -> Order:
    """The order as it then stands. The same reference with the same amount again changes nothing.

    Raises Forbidden ``operator_only``, NotFound, Invalid ``amount_invalid``, Conflict ``reference_used``.
    """
    if not actor.is_operator and actor.kind != "system":
        raise Forbidden(
            "operator_only", _("Only the operator of this marketplace records payments."), _("Ask the operator.")
        )
    if amount_minor <= 0 or not reference.strip():
        raise Invalid(
            "amount_invalid",
            _("A payment has an amount above zero and the bank's reference."),
            _("Give both; nothing was kept."),
        )
    with transaction.atomic(durable=True):
        order = Order.objects.select_for_update().filter(number=number, driver="invoice").first()
        if order is None:
            raise NotFound(_("invoice"))
        _write(actor, order, kind, amount_minor, reference.strip())
    return settle_order(order_id=order.pk)


def _write(actor: Actor, order: Order, kind: str, amount_minor: int, reference: str) -> None:
    known = InvoiceEntry.objects.filter(order=order, kind=kind, reference=reference).first()
    if known is not None:
        if known.amount_minor != amount_minor:
            raise Conflict(
                "reference_used",
                _("The reference '{reference}' stands already for another amount.").format(reference=reference),
                _("Check it at the bank; nothing was kept."),
            )
        return
    if kind == InvoiceEntry.Kind.REFUNDED:
        totals = {"paid": 0, "refunded": 0}
        for entry in order.invoice_entries.all():
            totals[entry.kind] += entry.amount_minor
        if totals["refunded"] + amount_minor > totals["paid"]:
            raise Invalid(
                "amount_invalid", _("More than was paid cannot go back."), _("Check the amount; nothing was kept.")
            )
    InvoiceEntry.objects.create(order=order, kind=kind, reference=reference, amount_minor=amount_minor)
    details: dict[str, Any] = {"order": str(order.pk), "amount_minor": amount_minor, "reference": reference}
    audit.record(
        actor=actor,
        action=f"invoice.{kind}",
        target=str(order),
        organization_id=order.organization_id,
        details=details,
    )
