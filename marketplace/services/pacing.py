"""Limits on what one organization or person may write in a time, counted in the rows themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.domain.refusals import TooManyRequests


def refuse_haste(rows: QuerySet[Any], *, limit: int, within: timedelta) -> None:
    """``rows`` are the author's own, with ``created_at``. Raises TooManyRequests ``too_many_contributions``.

    Two at once may pass one over the limit, which is no harm.
    """
    recent = rows.filter(created_at__gt=timezone.now() - within).order_by("-created_at")
    moments = list(recent.values_list("created_at", flat=True)[:limit])
    if len(moments) < limit:
        return
    wait = moments[-1] + within - timezone.now()
    raise TooManyRequests(
        "too_many_contributions",
        _("That was a lot in a short time."),
        _("Wait a while, then go on. What you sent before is kept."),
        {"retry_after_seconds": max(1, round(wait.total_seconds()))},
    )
