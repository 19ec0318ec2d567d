"""An owner has something sent to a webhook: a test, or an event once more."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.events import TEST
from accounts.domain.refusals import Conflict, NotFound
from accounts.models import OutboxEvent, Webhook, WebhookDelivery
from accounts.services.outbox import nudge_after_commit
from accounts.services.webhooks import administers, locked, record, require_active


def send_test(*, actor: Actor, webhook: Webhook) -> WebhookDelivery:
    """An event ``webhook.test`` for this webhook alone. Raises Unauthenticated, Forbidden, Conflict."""
    administers(actor, webhook.organization)
    require_active(webhook)
    with transaction.atomic(durable=True):
        row = locked(webhook)
        data = {"message": "This is a test.", "webhook": str(row.pk), "sent_by": actor.name}
        event = OutboxEvent.objects.create(
            organization_id=row.organization_id, kind=TEST, data=data, fanned_out_at=timezone.now()
        )
        delivery = WebhookDelivery.objects.create(webhook=row, event=event)
        record(actor, row, "webhook.test", {"webhook": str(row.pk)})
        nudge_after_commit("accounts.tasks.deliver_webhooks")
    return delivery


def redeliver(*, actor: Actor, delivery: WebhookDelivery) -> WebhookDelivery:
    """Send it again under the same ``webhook-id``, so that a receiver that has it knows.

    One that waits is sent at once. Raises Unauthenticated, Forbidden, Conflict ``webhook_disabled``.
    """
    administers(actor, delivery.webhook.organization)
    require_active(delivery.webhook)
    with transaction.atomic(durable=True):
        row = WebhookDelivery.objects.select_for_update(of=("self",)).filter(pk=delivery.pk).first()
        if row is None:
            raise NotFound(_("delivery"))
        if row.lease_until is not None and row.lease_until > timezone.now():
            raise Conflict("delivery_running", _("It is being sent right now."), _("Look at its result in a minute."))
        row.state, row.attempts, row.not_before = WebhookDelivery.State.WAITING, 0, timezone.now()
        row.save(update_fields=["state", "attempts", "not_before"])
        details = {"webhook": str(row.webhook_id), "delivery": str(row.pk)}
        record(actor, delivery.webhook, "webhook.redeliver", details)
        nudge_after_commit("accounts.tasks.deliver_webhooks")
    return row
