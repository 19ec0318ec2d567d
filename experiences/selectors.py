"""Reading experiences: the badge of a version, and what operators look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F
from django.utils import timezone

from experiences.domain.verdicts import Concluded, badge
from experiences.embedding import space
from experiences.models import CheckStrength, Embedding, Verification, Version, Worker

OVERVIEW_ROWS = 200
GONE = timedelta(seconds=30)
"""A worker that was silent for so long counts as gone."""


def verification_status(version: Version) -> dict[str, Any]:
    """``{status, environments: {name: {verdict, finished_at, …}}}`` of one version."""
    return verification_statuses([version])[version.pk]


def verification_statuses(versions: Iterable[Version]) -> dict[int, dict[str, Any]]:
    """The badge of each version, in two queries for all of them.

    ``verified``: the last verdict of every environment is ``passed``, signed, and younger than the policy's age.
    ``failing``: some last verdict speaks against it. ``pending``: a proof is due. ``unverified``: what there was has
    aged, or said nothing. Verdicts of environments it is not made for count neither way.
    """
    wanted = [version.pk for version in versions]
    concluded = (
        Verification.objects.filter(version_id__in=wanted, state=Verification.State.DONE, is_trial=False)
        .select_related("environment")
        .annotate(attested_at=F("attestation__created_at"))
        .order_by("version_id", "environment_name", "-finished_at")
        .distinct("version_id", "environment_name")
    )
    waiting = Verification.objects.filter(version_id__in=wanted, is_trial=False).exclude(state=Verification.State.DONE)
    by_version: dict[int, list[Any]] = {number: [] for number in wanted}
    for row in concluded:
        by_version[row.version_id].append(row)
    due = set(waiting.values_list("version_id", flat=True))
    return {number: status_of(rows, is_waiting=number in due) for number, rows in by_version.items()}


def strengths_of(version: Version) -> dict[int, CheckStrength]:
    """What is known of the strength of its checks, by the number of the environment."""
    found = CheckStrength.objects.filter(version=version).select_related("environment").order_by("method")
    return {item.environment_id: item for item in found}


def held_digests() -> dict[str, set[str]]:
    """What live workers hold: the digests of root file systems under each name."""
    found: dict[str, set[str]] = {}
    live = Worker.objects.filter(seen_at__gte=timezone.now() - GONE)
    for environments in live.values_list("environments", flat=True):
        for name, digest in environments.items():
            found.setdefault(name, set()).add(digest)
    return found


def valid_until(row: Verification) -> datetime:
    """When the verdict of a concluded row counts no longer: the policy of its day, or the operator's if that is
    stricter by now.
    """
    assert row.finished_at is not None, "the database keeps done and finished_at together"
    site = settings.KEIKEN.reverify_days
    return row.finished_at + timedelta(days=min(row.valid_days or site, site))


def concluded_of(row: Verification, *, is_signed: bool) -> Concluded:
    """What a concluded row says to the badge."""
    assert row.finished_at is not None, "the database keeps done and finished_at together"
    return Concluded(row.verdict, row.finished_at, valid_until(row), is_signed)


def oldest_valid() -> datetime:
    """By the operator's rule nothing that passed before counts any more, whatever stricter rules applied to it."""
    return timezone.now() - timedelta(days=settings.KEIKEN.reverify_days)


def status_of(rows: Sequence[Any], *, is_waiting: bool) -> dict[str, Any]:
    """The badge from the last concluded row of each environment, with ``environment`` and ``attested_at``."""
    facts = [concluded_of(row, is_signed=row.attested_at is not None) for row in rows]
    return {
        "status": badge(facts, now=timezone.now(), is_waiting=is_waiting),
        "environments": {
            row.environment_name: {
                "verdict": row.verdict,
                "environment": row.environment.name if row.environment else row.environment_name,
                "environment_digest": row.environment.digest if row.environment else "",
                "isolation": row.isolation,
                "finished_at": row.finished_at,
                "valid_until": valid_until(row),
                "attested_at": row.attested_at,
            }
            for row in rows
        },
    }


def embedding_overview() -> dict[str, Any]:
    """For operators, of the present model: ``space``, texts ``made`` and ``waiting``, ``trouble`` as counts by word."""
    rows = Embedding.objects.filter(space=space())
    waiting = rows.filter(made_at__isnull=True)
    trouble = waiting.exclude(note="").values_list("note").annotate(count=Count("pk")).order_by("-count", "note")
    return {
        "space": space(),
        "made": rows.filter(made_at__isnull=False).count(),
        "waiting": waiting.count(),
        "trouble": dict(trouble),
    }


def verification_overview() -> dict[str, Any]:
    """For operators: ``counts`` of rows by state and of missing attestations, and the ``open`` rows, oldest first,
    and the ``workers``.
    """
    done = Verification.objects.filter(state=Verification.State.DONE)
    counts = {state: Verification.objects.filter(state=state).count() for state in ("queued", "running", "done")}
    rows = (
        Verification.objects.exclude(state=Verification.State.DONE)
        .select_related("version__experience__organization")
        .defer("version__manifest", "version__skill", "version__search")
        .order_by("created_at")[:OVERVIEW_ROWS]
    )
    return {
        "counts": {**counts, "unsigned": done.filter(attestation__isnull=True).count()},
        "workers": [_worker(worker) for worker in Worker.objects.order_by("name")],
        "open": [
            {
                "id": str(row.pk),
                "version": str(row.version),
                "environment": row.environment_name,
                "state": row.state,
                "attempts": row.attempts,
                "not_before": row.not_before,
                "worker": row.worker if row.state == Verification.State.RUNNING else "",
                "lease_until": row.lease_until,
                "quarantined_at": row.quarantined_at,
                "operator_note": row.operator_note,
            }
            for row in rows
        ],
    }


def _worker(worker: Worker) -> dict[str, Any]:
    fields = ("name", "host", "environments", "driver", "isolation", "slots", "note", "is_draining", "seen_at")
    is_gone = worker.seen_at < timezone.now() - GONE
    return {**{name: getattr(worker, name) for name in fields}, "is_gone": is_gone}
