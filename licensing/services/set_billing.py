"""An organization says what its invoices name: its legal name, address and tax number."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Organization
from accounts.services import audit
from licensing.models import BillingDetails

LINES = 8


def set_billing(*, actor: Actor, organization: Organization, address: str, tax_id: str = "") -> BillingDetails:
    """Holds from the next order on; invoices that are written stay. Setting the same again changes nothing.

    Raises Unauthenticated, Forbidden, Invalid ``billing_invalid``.
    """
    actor.require("purchase", organization.pk)
    lines = [" ".join(line.split()) for line in address.splitlines() if line.strip()]
    wanted = {"address": "\n".join(lines), "tax_id": tax_id.strip()}
    is_printable = all(line.isprintable() for line in [*lines, wanted["tax_id"]])
    if not 0 < len(lines) <= LINES or len(wanted["address"]) > 500 or len(wanted["tax_id"]) > 50 or not is_printable:
        raise Invalid(
            "billing_invalid",
            _("An address has one to {count} lines of text, at most 500 characters; a tax number at most 50.").format(
                count=LINES
            ),
            _("Correct it and send it again; nothing was changed."),
        )
    with transaction.atomic(durable=True):
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        before = BillingDetails.objects.filter(organization=organization).first()
        if before is not None and all(getattr(before, name) == value for name, value in wanted.items()):
            return before
        details, _created = BillingDetails.objects.update_or_create(organization=organization, defaults=wanted)
        audit.record(actor=actor, action="billing.set", target=organization.slug, organization_id=organization.pk)
    return details


def billed_to(organization_id: int) -> str:
    """As an order keeps it."""
    details = BillingDetails.objects.filter(organization_id=organization_id).first()
    return str(details) if details is not None else ""
