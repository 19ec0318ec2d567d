"""An owner changes a webhook, switches it on or off, renews its secret, or deletes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.actors import Actor
from accounts.domain.webhooks import new_secret
from accounts.models import Webhook, WebhookDelivery
from accounts.services.outbox import nudge_after_commit
from accounts.services.sealing import sealed
from accounts.services.webhooks import administers, checked_kinds, checked_url, locked, record

BOTH_SECRETS = timedelta(hours=24)


def change_webhook(
    *,
    actor: Actor,
    webhook: Webhook,
    url: str | None = None,
    kinds: Sequence[str] | None = None,
    is_active: bool | None = None,
) -> Webhook:
    """What is None stays. Switching on forgets the failures so far, and what waits is sent.

    Raises Unauthenticated, Forbidden, NotFound, Invalid ``webhook_url_invalid`` or ``webhook_events_invalid``.
    """
    administers(actor, webhook.organization)
    with transaction.atomic(durable=True):
        row = locked(webhook)
        row.url = row.url if url is None else checked_url(url)
        row.kinds = row.kinds if kinds is None else checked_kinds(kinds)
        if is_active is not None and is_active != row.is_active:
            row.is_active, row.failures, row.disabled_reason = is_active, 0, "" if is_active else "person"
            row.deliveries.filter(state=WebhookDelivery.State.WAITING).update(not_before=Now(), attempts=0)
        row.save()
        details = {"webhook": str(row.pk), "events": row.kinds, "is_active": row.is_active}
        record(actor, row, "webhook.change", details)
        nudge_after_commit("accounts.tasks.deliver_webhooks")
    return row


def rotate_secret(*, actor: Actor, webhook: Webhook) -> tuple[Webhook, str]:
    """A new secret. Deliveries carry the old one's signature as well for a day. Raises Unauthenticated, Forbidden."""
    administers(actor, webhook.organization)
    secret = new_secret()
    with transaction.atomic(durable=True):
        row = locked(webhook)
        row.sealed_old_secret, row.old_secret_until = row.sealed_secret, timezone.now() + BOTH_SECRETS
        row.sealed_secret = sealed(secret)
        row.save(update_fields=["sealed_secret", "sealed_old_secret", "old_secret_until"])
        record(actor, row, "webhook.rotate_secret", {"webhook": str(row.pk)})
    return row, secret


def delete_webhook(*, actor: Actor, webhook: Webhook) -> None:
    """With its deliveries. Twice at once changes nothing the second time. Raises Unauthenticated, Forbidden."""
    administers(actor, webhook.organization)
    with transaction.atomic(durable=True):
        deleted, _rows = Webhook.objects.filter(pk=webhook.pk).delete()
        if deleted:
            record(actor, webhook, "webhook.delete", {"webhook": str(webhook.pk)})
