"""Proving again what was proven long ago: a badge is only as good as its age."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, Q, Value
from django.db.models.functions import Now
from django.db.models.lookups import LessThan
from django.utils import timezone

from accounts.actors import SYSTEM
from experiences.models import Verification
from experiences.reverification import asked_for, site_rules, wanted_trials
from experiences.services.queueing import open_row

SHARE_OF_AGE = 0.8
"""A verdict is renewed before it expires, so that a badge does not blink."""
AT_ONCE = 500
"""The oldest ones; the next run takes the next."""


def reverify_by_age() -> int:
    """Enqueue every latest version whose last verdict in an environment is old, by the rules that apply. How many."""
    limit = timezone.now() - timedelta(days=site_rules().max_age_days * SHARE_OF_AGE)
    renewed_after = F("max_age_days") * Value(timedelta(days=SHARE_OF_AGE), output_field=DurationField())
    age = ExpressionWrapper(Now() - OuterRef("finished_at"), output_field=DurationField())
    stricter = asked_for(Q(LessThan(ExpressionWrapper(renewed_after, output_field=DurationField()), age)))
    same = Verification.objects.filter(version=OuterRef("version"), environment_name=OuterRef("environment_name"))
    rows = (
        Verification.objects.filter(
            state=Verification.State.DONE,
            version__experience__latest=F("version"),
            version__yanked_at__isnull=True,
        )
        .filter(Q(finished_at__lt=limit) | Q(stricter))
        .filter(wanted_trials())
        .exclude(Exists(same.exclude(state=Verification.State.DONE)))
        .exclude(Exists(same.filter(finished_at__gt=OuterRef("finished_at"))))
        .select_related("version__experience__organization")
        .defer("version__manifest", "version__skill", "version__search")
        .order_by("finished_at")[:AT_ONCE]
    )
    made = [
        open_row(
            version=row.version,
            environment_name=row.environment_name,
            trigger="age",
            actor=SYSTEM,
            is_trial=row.is_trial,
        )
        for row in rows
    ]
    return sum(row is not None for row in made)
