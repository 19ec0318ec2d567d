"""Exploring where the conditions of a version end: asked for, claimed when nothing waits to be proven, written down."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM, Actor
from accounts.domain.refusals import TooManyRequests
from accounts.services import audit
from accounts.services.constraints import broken_constraint
from experiences.domain.storable import storable, storable_text
from experiences.models import Environment as EnvironmentRow
from experiences.models import FrontierRun, Verification, Version
from experiences.services.claim import pause_seconds
from experiences.services.proving import fetched
from experiences.services.queueing import environment_names, nudge_after_commit
from keiken.errors import KeikenError
from keiken.frontier.explore import explore, others_by_release
from keiken.frontier.record import Frontier
from keiken.package import unpack
from keiken.sandbox import environments, working_driver
from keiken.sandbox.protocol import Driver, Environment
from keiken.workspace import workspace

logger = logging.getLogger(__name__)

OPEN_ONCE = "frontier_open_once"
INTERVAL = timedelta(hours=1)
"""A version is explored on request once in this time."""
SECONDS = 300
LEASE = timedelta(minutes=30)
"""Without a heartbeat: more than all places take at the limits of their sandboxes."""
ATTEMPTS = 3
WAY_SECONDS = 60


class _GivesWay(Exception):
    """Somebody waits for a verdict, which is more urgent."""


def request_frontier(*, actor: Actor, version: Version) -> list[FrontierRun]:
    """The new rows, one for each environment; those that are under way already are not asked for again.

    Raises Forbidden, TooManyRequests ``explored_recently``.
    """
    actor.require("publish", version.experience.organization_id)
    recent = FrontierRun.objects.filter(version=version, finished_at__gt=timezone.now() - INTERVAL)
    if recent.exists():
        raise TooManyRequests(
            "explored_recently",
            _("The conditions of {version} were tried within the last hour.").format(version=version),
            _("Look at what was found, or ask again later."),
            {"retry_after_seconds": round(INTERVAL.total_seconds())},
        )
    return [row for name in environment_names(version) if (row := _opened(actor, version, name))]


def _opened(actor: Actor, version: Version, name: str) -> FrontierRun | None:
    try:
        with transaction.atomic():
            row = FrontierRun.objects.create(version=version, environment_name=name)
            audit.record(
                actor=actor,
                action="frontier.enqueue",
                target=str(version),
                organization_id=version.experience.organization_id,
                details={"environment": name},
            )
            nudge_after_commit(1)
    except IntegrityError as error:
        if broken_constraint(error) != OPEN_ONCE:
            raise
        return None
    return row


def waiting_frontiers() -> QuerySet[FrontierRun]:
    """Rows that a worker may take now; one whose worker went silent is one of them."""
    free = Q(state=FrontierRun.State.QUEUED) | Q(state=FrontierRun.State.RUNNING, lease_until__lt=Now())
    return FrontierRun.objects.filter(free, not_before__lte=Now(), attempts__lt=ATTEMPTS)


def explore_next(*, environment_names: Sequence[str], worker: str = "") -> FrontierRun | None:
    """Claim the oldest one and carry it out; None when nothing waits or no sandbox works here.

    Gives way to a verification that waits: then the row is queued again, and no attempt is counted.
    """
    if not waiting_frontiers().filter(environment_name__in=environment_names).exists():
        return None
    try:
        driver = working_driver(policy=settings.KEIKEN.sandbox_policy)
    except KeikenError as error:
        logger.warning("no frontier can be explored here: %s", error.message)
        return None
    row = _claim(environment_names, worker)
    if row is None:
        return None
    try:
        environment, found = _look(row, driver, lambda _done, _all: _give_way(environment_names))
    except _GivesWay:
        _give_back(row, note="", seconds=WAY_SECONDS, attempts=F("attempts") - 1)
    except (KeikenError, OSError) as error:
        note = error.message if isinstance(error, KeikenError) else str(error)
        _give_back(row, note=note, seconds=pause_seconds(row.attempts), attempts=F("attempts"))
        logger.exception("frontier run %s is tried again later", row.pk)
    else:
        _conclude(row, environment, found)
    row.refresh_from_db()
    return row


def _claim(names: Sequence[str], worker: str) -> FrontierRun | None:
    with transaction.atomic(durable=True):
        rows = waiting_frontiers().filter(environment_name__in=names).order_by("created_at")
        row = rows.select_for_update(skip_locked=True, of=("self",)).first()
        if row is None:
            return None
        FrontierRun.objects.filter(pk=row.pk).update(
            state=FrontierRun.State.RUNNING,
            lease_token=uuid.uuid4(),
            lease_until=Now() + LEASE,
            attempts=F("attempts") + 1,
            worker=worker[:100],
            operator_note="",
        )
    return FrontierRun.objects.select_related("version__experience__organization").get(pk=row.pk)


def _look(row: FrontierRun, driver: Driver, on_progress: Callable[[int, int], None]) -> tuple[Environment, Frontier]:
    environment = environments.get_or_local(row.environment_name)
    built = [one.name for one in environments.available() if one.built and one.name != environments.LOCAL]
    others = others_by_release(environment, {name: environments.get(name) for name in built})
    with workspace() as folder:
        # The job's user must be able to pass through; the folder holds nothing but a published package.
        folder.chmod(0o755)
        package = unpack(fetched(row.version), folder / "package")
        found = explore(
            package, driver=driver, environment=environment, others=others, seconds=SECONDS, on_progress=on_progress
        )
    return environment, found


def _give_way(names: Sequence[str]) -> None:
    waiting = Verification.objects.filter(
        state=Verification.State.QUEUED,
        quarantined_at__isnull=True,
        not_before__lte=Now(),
        environment_name__in=names,
    )
    if waiting.exists():
        raise _GivesWay


def _held(row: FrontierRun) -> QuerySet[FrontierRun]:
    return FrontierRun.objects.filter(pk=row.pk, state=FrontierRun.State.RUNNING, lease_token=row.lease_token)


def _give_back(row: FrontierRun, *, note: str, seconds: float, attempts: Any) -> None:
    _held(row).update(
        state=FrontierRun.State.QUEUED,
        lease_token=None,
        lease_until=None,
        not_before=Now() + timedelta(seconds=seconds),
        attempts=attempts,
        operator_note=storable_text(note)[:2000],
    )


def _conclude(row: FrontierRun, environment: Environment, found: Frontier) -> None:
    """Written only while the row is ours."""
    with transaction.atomic(durable=True):
        if _held(row).select_for_update().first() is None:
            logger.warning("what frontier run %s found came too late and was dropped", row.pk)
            return
        where, _created = EnvironmentRow.objects.update_or_create(
            name=environment.name,
            digest=environment.digest,
            defaults={"facts": storable(dict(environment.facts))},
        )
        _held(row).update(
            state=FrontierRun.State.DONE,
            lease_token=None,
            lease_until=None,
            environment=where,
            record=storable(found.model_dump(mode="json")),
            finished_at=Now(),
        )
        audit.record(
            actor=SYSTEM,
            action="frontier.conclude",
            target=str(row.version),
            organization_id=row.version.experience.organization_id,
            details={"environment": environment.name, "runs": len(found.runs)},
        )
