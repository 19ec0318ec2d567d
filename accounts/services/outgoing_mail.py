"""Mails: written in the transaction of what they tell, sent by a worker, tried again for two days."""

from __future__ import annotations

import logging
import smtplib
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models.functions import Now

from accounts.models import OutgoingMail
from accounts.services.outbox import nudge_after_commit

logger = logging.getLogger(__name__)
PAUSES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6), timedelta(hours=40))
AT_ONCE = 50


def write_mail(*, to: str, subject: str, body: str) -> OutgoingMail:
    """Call it inside the transaction of what it tells. Line breaks in the subject become spaces."""
    row = OutgoingMail.objects.create(to=to, subject=" ".join(subject.split())[:200], body=body)
    nudge_after_commit("accounts.tasks.send_mails")
    return row


def send_mails() -> int:
    """Send what is due; how many were sent. A worker killed while sending may send one mail twice, and loses none."""
    sent = 0
    for _turn in range(AT_ONCE):
        row = _claimed()
        if row is None:
            break
        sent += _send(row)
    return sent


def _claimed() -> OutgoingMail | None:
    """The next one that is due, counted as tried: whoever dies over it leaves it for later."""
    due = OutgoingMail.objects.filter(sent_at__isnull=True, given_up_at__isnull=True, not_before__lte=Now())
    with transaction.atomic(durable=True):
        row = due.select_for_update(skip_locked=True).order_by("not_before").first()
        if row is not None:
            row.attempts += 1
            pause = PAUSES[min(row.attempts, len(PAUSES)) - 1]
            OutgoingMail.objects.filter(pk=row.pk).update(attempts=row.attempts, not_before=Now() + pause)
    return row


def _send(row: OutgoingMail) -> bool:
    message = EmailMessage(row.subject, row.body, settings.DEFAULT_FROM_EMAIL, [row.to])
    rows = OutgoingMail.objects.filter(pk=row.pk)
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        # The error's text may repeat the address; its kind is enough for the operator.
        logger.warning("mail %s was not sent, attempt %d: %s", row.pk, row.attempts, type(error).__name__)
        if row.attempts > len(PAUSES):
            rows.update(given_up_at=Now(), body="")
        return False
    rows.update(sent_at=Now(), body="")
    return True
