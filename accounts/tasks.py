"""Celery's way into accounts: each task calls one use case. A message is a nudge; the rows are the jobs."""

from __future__ import annotations

from celery import shared_task

from accounts.services.deliver_webhooks import deliver_webhooks, forget_old_events
from accounts.services.outgoing_mail import send_mails


@shared_task(name="accounts.tasks.deliver_webhooks", acks_late=True)
def deliver_webhooks_task() -> int:
    return deliver_webhooks()


@shared_task(name="accounts.tasks.forget_old_events")
def forget_old_events_task() -> int:
    return forget_old_events()


@shared_task(name="accounts.tasks.send_mails", acks_late=True)
def send_mails_task() -> int:
    return send_mails()
