"""Proving again what the workers' environments ask for: one behind a name has changed, or there is a new one."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.actors import SYSTEM
from experiences.models import Verification, Version
from experiences.reverification import asked_for, site_rules, wanted_trials
from experiences.selectors import held_digests
from experiences.services.queueing import open_row

AT_ONCE = 500
"""The next run takes the next."""


def reverify_changed_environments() -> int:
    """Enqueue latest versions whose last verdict was in a root file system that no live worker has any more. How many.

    While workers hold different ones under a name, a verdict in either counts: a rolling upgrade proves nothing twice.
    """
    made = 0
    for name, digests in sorted(held_digests().items()):
        rows = _last_verdicts(name).exclude(environment__digest__in=digests)
        if not site_rules().on_environment_change:
            rows = rows.filter(asked_for(Q(on_environment_change=True)))
        for row in rows[: max(0, AT_ONCE - made)]:
            opened = open_row(
                version=row.version,
                environment_name=name,
                trigger=Verification.Trigger.ENVIRONMENT,
                actor=SYSTEM,
                is_trial=row.is_trial,
            )
            made += opened is not None
    return made


def try_new_environments() -> int:
    """Enqueue a trial of latest versions in every environment that workers hold and that they were never tried in.

    How many. Only where the policy asks for it; a trial shows where a version holds and decides nothing.
    """
    made = 0
    for name in sorted(held_digests()):
        for version in _never_tried_in(name)[: max(0, AT_ONCE - made)]:
            opened = open_row(
                version=version,
                environment_name=name,
                trigger=Verification.Trigger.NEW_ENVIRONMENT,
                actor=SYSTEM,
                is_trial=True,
            )
            made += opened is not None
    return made


def _last_verdicts(name: str) -> QuerySet[Verification]:
    """The last verdict there of each latest version, where nothing is open for it."""
    same = Verification.objects.filter(version=OuterRef("version"), environment_name=name)
    return (
        Verification.objects.filter(
            state=Verification.State.DONE,
            environment_name=name,
            version__experience__latest=F("version"),
            version__yanked_at__isnull=True,
        )
        .exclude(Exists(same.exclude(state=Verification.State.DONE)))
        .exclude(Exists(same.filter(finished_at__gt=OuterRef("finished_at"))))
        .filter(wanted_trials())
        .select_related("version__experience__organization")
        .defer("version__manifest", "version__skill", "version__search")
        .order_by("finished_at")
    )


def _never_tried_in(name: str) -> QuerySet[Version]:
    tried = Verification.objects.filter(version=OuterRef("pk"), environment_name=name)
    rows = Version.objects.filter(experience__latest=F("pk"), yanked_at__isnull=True).exclude(Exists(tried))
    if not site_rules().on_new_environment:
        rows = rows.filter(asked_for(Q(on_new_environment=True), experience="experience"))
    return rows.select_related("experience__organization").defer("manifest", "skill", "search").order_by("pk")
