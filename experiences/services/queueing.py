"""Rows that wait to be proven, and the messages that wake workers for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import ChannelError

from accounts.actors import Actor
from accounts.domain.refusals import TooManyRequests
from accounts.services import audit
from accounts.services.constraints import broken_constraint
from experiences.models import Verification, Version
from experiences.reverification import rules_for

PRIORITIES = {"publish": 10, "divergence": 5, "request": 3, "environment": 1, "new_environment": 0, "age": 0}
OPEN_ONCE = "verification_open_once"
"""The constraint: a version has at most one unfinished verification in an environment."""
MESSAGES = 20
"""More than a site has workers: further messages would find nothing that is not running yet."""


def environment_names(version: Version) -> list[str]:
    """The environments that the scenarios of a version name, sorted."""
    return sorted({name for scenario in version.manifest["scenarios"] for name in scenario["environments"]})


def add_rows(version: Version, names: Iterable[str], trigger: str, *, is_trial: bool = False) -> list[Verification]:
    """Call it inside the transaction of the change that asks for it. Raises IntegrityError for ``OPEN_ONCE``."""
    return Verification.objects.bulk_create(
        [
            Verification(
                version=version,
                environment_name=name,
                trigger=trigger,
                priority=PRIORITIES[trigger],
                is_trial=is_trial,
            )
            for name in names
        ]
    )


def open_row(
    *, version: Version, environment_name: str, trigger: str, actor: Actor, is_trial: bool = False
) -> Verification | None:
    """The new row with its audit entry and nudge; None when one is already open for this version and environment.

    Raises TooManyRequests ``verified_recently`` for a request too soon after the last verification.
    """
    try:
        with transaction.atomic():
            if trigger == Verification.Trigger.REQUEST:
                # One request at a time: two at once must not both find that nothing was asked for.
                Version.objects.select_for_update(of=("self",), no_key=True).only("pk").get(pk=version.pk)
                _refuse_when_recent(version, environment_name)
            (row,) = add_rows(version, [environment_name], trigger, is_trial=is_trial)
            audit.record(
                actor=actor,
                action="verification.enqueue",
                target=str(version),
                organization_id=version.experience.organization_id,
                details={"environment": environment_name, "trigger": trigger},
            )
            nudge_after_commit(1)
    except IntegrityError as error:
        if broken_constraint(error) != OPEN_ONCE:
            raise
        return None
    return row


def _refuse_when_recent(version: Version, environment_name: str) -> None:
    rows = Verification.objects.filter(version=version, environment_name=environment_name)
    asked_at = rows.aggregate(last=Max("created_at"))["last"]
    minutes = rules_for(version.experience).request_minutes
    wait = timedelta(minutes=minutes) - (timezone.now() - asked_at) if asked_at else timedelta(0)
    if wait > timedelta(0):
        raise TooManyRequests(
            "verified_recently",
            _("It was verified, or is being verified, within the last {n} minutes.").format(n=minutes),
            _("Look at that verdict, or ask again later."),
            {"retry_after_seconds": round(wait.total_seconds())},
        )


def nudge_after_commit(count: int) -> None:
    """One message a waiting row. A lost message, or no broker at all, costs only time: beat looks for waiting rows."""
    transaction.on_commit(lambda: send("experiences.tasks.verify", "verify", [()] * min(count, MESSAGES)), robust=True)


def send(task: str, queue: str, calls: Iterable[tuple[str, ...]]) -> None:
    """One message for each call's arguments."""
    for arguments in calls:
        current_app.send_task(task, arguments, queue=queue, ignore_result=True)


def room_in(queue: str) -> int:
    """How many more messages make sense: while workers are busy, nudging again and again must not fill the broker."""
    with current_app.connection_for_write() as connection:
        try:
            channel: Any = connection.default_channel
            waiting = channel.queue_declare(queue=queue, passive=True).message_count
        except ChannelError:
            # Nobody has used this queue yet.
            waiting = 0
    return max(0, MESSAGES - int(waiting))
