"""Events go out to webhooks: each to everybody who wants its kind, tried again until it arrives or is given up.

A receiver may get an event twice, and none is lost unseen: the same ``webhook-id`` each time lets it tell.
"""

from __future__ import annotations

import json
import random
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.actors import SYSTEM
from accounts.calling import Answer, Caller, GuardedCaller
from accounts.domain.addresses import networks_of
from accounts.domain.webhooks import ATTEMPTS_MAX, FAILURES_MAX, PAUSES_SECONDS, headers
from accounts.models import Membership, OutboxEvent, Webhook, WebhookDelivery
from accounts.services import audit
from accounts.services.outbox import nudge
from accounts.services.outgoing_mail import write_mail
from accounts.services.sealing import SealBroken, opened

LEASE = timedelta(seconds=60)
"""Longer than a call may take; a worker that is silent for so long has died."""
EVENTS_AT_ONCE = 200
DELIVERIES_AT_ONCE = 5
"""One run ends after so many calls and asks for another, so that other work of the queue gets its turn."""
JITTER = 0.2
GONE = 410
KEPT = timedelta(days=30)


def deliver_webhooks(caller: Caller | None = None) -> int:
    """Fan out what happened, then make the calls that are due. How many calls were made."""
    fan_out()
    caller = caller or GuardedCaller(networks_of(settings.KEIKEN.webhook_networks))
    made = 0
    while made < DELIVERIES_AT_ONCE and (row := _claim()) is not None:
        conclude(row, _call(row, caller))
        made += 1
    if made == DELIVERIES_AT_ONCE:
        nudge("accounts.tasks.deliver_webhooks")
    return made


def fan_out() -> int:
    """A delivery for every active webhook that wants the kind. Two at once share the events between them."""
    with transaction.atomic(durable=True):
        waiting = OutboxEvent.objects.filter(fanned_out_at__isnull=True).order_by("at")
        events = list(waiting.select_for_update(skip_locked=True)[:EVENTS_AT_ONCE])
        hooks: dict[int, list[Webhook]] = {}
        for hook in Webhook.objects.filter(is_active=True, organization__in={row.organization_id for row in events}):
            hooks.setdefault(hook.organization_id, []).append(hook)
        rows = [
            WebhookDelivery(webhook=hook, event=event)
            for event in events
            for hook in hooks.get(event.organization_id, [])
            if event.kind in hook.kinds
        ]
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
        OutboxEvent.objects.filter(pk__in=[event.pk for event in events]).update(fanned_out_at=Now())
    return len(rows)


def forget_old_events() -> int:
    """Events go after thirty days with their deliveries; what happened stays in the audit trail."""
    return OutboxEvent.objects.filter(at__lt=timezone.now() - KEPT, fanned_out_at__isnull=False).delete()[0]


def _claim() -> WebhookDelivery | None:
    """The next call that is due, under a lease. As a rule one at a time for each webhook: none takes all workers."""
    busy = WebhookDelivery.objects.filter(lease_until__gt=Now()).values("webhook_id")
    due = WebhookDelivery.objects.filter(
        Q(lease_until__isnull=True) | Q(lease_until__lte=Now()),
        state=WebhookDelivery.State.WAITING,
        not_before__lte=Now(),
        webhook__is_active=True,
    )
    with transaction.atomic(durable=True):
        row = (
            due.exclude(webhook_id__in=busy)
            .select_related("webhook__organization", "event")
            .select_for_update(of=("self",), skip_locked=True)
            .order_by("not_before", "created_at")
            .first()
        )
        if row is None:
            return None
        row.lease_token, row.attempts = uuid.uuid4(), row.attempts + 1
        WebhookDelivery.objects.filter(pk=row.pk).update(
            lease_token=row.lease_token, lease_until=Now() + LEASE, attempts=row.attempts
        )
    return row


def _call(row: WebhookDelivery, caller: Caller) -> Answer:
    event, hook = row.event, row.webhook
    document = {"type": event.kind, "timestamp": event.at.isoformat(), "data": event.data}
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        secrets = [opened(hook.sealed_secret)]
        if hook.sealed_old_secret and hook.old_secret_until and hook.old_secret_until > timezone.now():
            secrets.append(opened(hook.sealed_old_secret))
    except SealBroken:
        return Answer(None, "secret_unreadable", 0.0)
    signed = headers(secrets, row.message_id, int(timezone.now().timestamp()), body)
    return caller.post(hook.url, headers=signed, body=body)


def conclude(row: WebhookDelivery, answer: Answer) -> bool:
    """Write down how the call went, if it is still ours to write."""
    is_delivered = answer.status is not None and 200 <= answer.status < 300
    is_gone = answer.status == GONE
    changes: dict[str, Any] = {
        "lease_token": None,
        "lease_until": None,
        "last_status": answer.status,
        "last_trouble": "" if is_delivered else answer.trouble[:200],
        "last_seconds": round(answer.seconds, 3),
        "last_at": Now(),
    }
    if is_delivered:
        changes["state"] = WebhookDelivery.State.DELIVERED
    elif is_gone or row.attempts >= ATTEMPTS_MAX:
        changes["state"] = WebhookDelivery.State.GIVEN_UP
    else:
        pause = PAUSES_SECONDS[row.attempts - 1] * (1 + random.random() * JITTER)  # spreads load, guards nothing
        changes["not_before"] = Now() + timedelta(seconds=pause)
    with transaction.atomic(durable=True):
        hook = Webhook.objects.select_for_update().filter(pk=row.webhook_id).first()
        held = WebhookDelivery.objects.filter(pk=row.pk, lease_token=row.lease_token)
        if hook is None or not held.update(**changes):
            return False
        if is_delivered:
            Webhook.objects.filter(pk=hook.pk, failures__gt=0).update(failures=0)
            return True
        Webhook.objects.filter(pk=hook.pk).update(failures=F("failures") + 1)
        if hook.is_active and (is_gone or hook.failures + 1 >= FAILURES_MAX):
            _switch_off(hook, "gone" if is_gone else "failures")
    return True


def _switch_off(hook: Webhook, reason: str) -> None:
    """With a notice to every owner, in their language."""
    Webhook.objects.filter(pk=hook.pk).update(is_active=False, disabled_reason=reason)
    audit.record(
        actor=SYSTEM,
        action="webhook.disable",
        target=hook.url,
        organization_id=hook.organization_id,
        details={"webhook": str(hook.pk), "reason": reason},
    )
    owners = Membership.objects.filter(organization_id=hook.organization_id, role="owner", person__is_active=True)
    for member in owners.select_related("person", "organization"):
        page = settings.KEIKEN.site_url + reverse("organization_webhooks", args=[member.organization.slug])
        with override(member.person.language):
            write_mail(
                to=member.person.email,
                subject=_("A webhook of {organization} was switched off").format(organization=member.organization.name),
                body="\n\n".join(
                    (
                        _("The webhook {url} did not take what was sent to it, so it is switched off.").format(
                            url=hook.url
                        ),
                        _("Mend the receiver, then switch the webhook on again:") + f"\n{page}\n",
                    )
                ),
            )
