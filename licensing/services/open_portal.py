"""A buyer's way to the payment provider's own page, where cards and invoices are looked after."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, NotFound, Unavailable
from licensing.access import identifier
from licensing.models import Order
from licensing.payments import ProviderTrouble
from licensing.payments.stripe_api import portal_url


def open_portal(*, actor: Actor, order_id: Any) -> str:
    """The address. Raises Unauthenticated, Forbidden, NotFound, Conflict ``portal_missing``, Unavailable."""
    actor.require("purchase")
    assert actor.organization_id is not None, "the scope comes with an organization"
    found = Order.objects.filter(pk=identifier(order_id, _("order")), organization_id=actor.organization_id).first()
    if found is None:
        raise NotFound(_("order"))
    try:
        url = portal_url(found, f"{settings.KEIKEN.site_url}/") if found.driver == "stripe" else None
    except ProviderTrouble as trouble:
        raise Unavailable(
            "payment_unavailable",
            _("The payment provider cannot be reached."),
            _("Try it again in a minute; nothing was changed."),
        ) from trouble
    if url is None:
        raise Conflict(
            "portal_missing",
            _("There is no such page for this order."),
            _("Ask the operator about invoices; an order that was never paid needs none."),
        )
    return url
