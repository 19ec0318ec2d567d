"""Asking for a version to be proven (again): a row, and a nudge once it is committed."""

from __future__ import annotations

from datetime import timedelta

from celery import current_app
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM, Actor
from accounts.domain.refusals import TooManyRequests
from accounts.services import audit
from experiences.models import Verification, Version

PRIORITIES = {"publish": 10, "divergence": 5, "request": 3, "age": 0}
REQUEST_INTERVAL = timedelta(minutes=10)


def enqueue(*, version: Version, environment_name: str, trigger: str, actor: Actor = SYSTEM) -> Verification | None:
    """The new row; None when one is already open for this version and environment.

    A person's or agent's request needs the scope publish and waits ten minutes after the last one. Raises Forbidden,
    TooManyRequests ``verified_recently``.
    """
    if trigger == Verification.Trigger.REQUEST:
        actor.require("publish", version.experience.organization_id)
        _refuse_when_recent(version, environment_name)
    try:
        with transaction.atomic():
            row = Verification.objects.create(
                version=version,
                environment_name=environment_name,
                trigger=trigger,
                priority=PRIORITIES[trigger],
            )
            audit.record(
                actor=actor,
                action="verification.enqueue",
                target=str(version),
                organization_id=version.experience.organization_id,
                details={"environment": environment_name, "trigger": trigger},
            )
            nudge_after_commit(1)
    except IntegrityError:
        return None
    return row


def _refuse_when_recent(version: Version, environment_name: str) -> None:
    since = timezone.now() - REQUEST_INTERVAL
    rows = Verification.objects.filter(version=version, environment_name=environment_name, created_at__gt=since)
    if rows.exists():
        raise TooManyRequests(
            "verified_recently",
            _("It was verified, or is being verified, within the last ten minutes."),
            _("Look at that verdict, or ask again later."),
        )


def nudge_after_commit(count: int) -> None:
    """One message a waiting row. A lost message costs only time: beat looks for rows that wait."""

    def send() -> None:
        for _number in range(count):
            current_app.send_task("experiences.tasks.verify", queue="verify", ignore_result=True)

    transaction.on_commit(send, robust=True)
