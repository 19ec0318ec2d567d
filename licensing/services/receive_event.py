"""A webhook of the payment provider: signature first, then stored as it came, then worked off from its row."""

from __future__ import annotations

from datetime import timedelta

import stripe
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.domain.refusals import Invalid, Unavailable
from licensing.models import Order, ProviderEvent
from licensing.payments import ProviderTrouble
from licensing.payments.asking import client
from licensing.payments.stripe_api import order_of
from licensing.services.connect_publisher import refresh_account
from licensing.services.settle_order import settle_order

TOLERANCE_SECONDS = 300
KEPT_OUT = timedelta(minutes=1)
"""After a failure an event rests this long times its attempts; beat picks it up again."""


def receive_event(*, payload: bytes, signature: str) -> ProviderEvent:
    """The stored event; the same one again is the same row. Raises Invalid ``signature_invalid``, Unavailable."""
    secret = settings.KEIKEN.stripe_webhook_secret
    if not secret:
        raise Unavailable(
            "webhooks_not_configured",
            _("This marketplace does not listen to Stripe."),
            _("The operator sets STRIPE_WEBHOOK_SECRET."),
        )
    try:
        event = client().construct_event(payload, signature, secret, tolerance=TOLERANCE_SECONDS)
    except (ValueError, stripe.SignatureVerificationError):
        raise Invalid(
            "signature_invalid",
            _("The signature does not fit the message."),
            _("Check the endpoint's secret and the clock; Stripe sends it again."),
        ) from None
    with transaction.atomic(durable=True):
        row, _created = ProviderEvent.objects.get_or_create(
            driver="stripe",
            event_id=event.id,
            defaults={"kind": event.type[:100], "payload": event.to_dict()},
        )
    return row


def process_event(*, row_id: int) -> bool:
    """Bring the order it is about to what Stripe says now. True when it is done; repeating it changes nothing."""
    event = ProviderEvent.objects.get(pk=row_id)
    if event.processed_at is not None:
        return True
    try:
        if event.kind == "account.updated":
            refresh_account(str(event.payload["data"]["object"]["id"]))
            order_id = None
        else:
            order_id = order_of(event.payload)
        if order_id and _is_ours(order_id):
            settle_order(order_id=order_id)
    except ProviderTrouble as trouble:
        ProviderEvent.objects.filter(pk=row_id).update(attempts=event.attempts + 1, trouble=str(trouble)[:300])
        return False
    ProviderEvent.objects.filter(pk=row_id).update(processed_at=timezone.now(), attempts=event.attempts + 1, trouble="")
    return True


def process_waiting(limit: int = 100) -> int:
    """Work off what waits, oldest first. The number that is done."""
    waiting = ProviderEvent.objects.filter(processed_at__isnull=True).order_by("received_at", "pk")
    now, done = timezone.now(), 0
    for event in waiting[:limit]:
        if event.attempts == 0 or event.received_at + KEPT_OUT * event.attempts <= now:
            done += process_event(row_id=event.pk)
    return done


def _is_ours(order_id: str) -> bool:
    try:
        return Order.objects.filter(pk=order_id, driver="stripe").exists()
    except ValidationError:  # metadata of somebody else's making
        return False
