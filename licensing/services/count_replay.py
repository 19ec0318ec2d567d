"""A successful replay is counted once against its license: under lock, by its own id, in the month it ran."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.domain.refusals import Conflict, Forbidden
from licensing.domain.periods import month_of
from licensing.models import CountedReplay, Grant
from licensing.services.take_seat import locked_grant


def count_replay(*, grant: Grant, receipt_id: uuid.UUID, ran_at: datetime | None = None) -> CountedReplay:
    """The counted replay; the same receipt again is the same row.

    Raises Forbidden ``quota_exhausted``, Conflict ``receipt_of_other`` when the id stands for another license.
    """
    known = CountedReplay.objects.filter(receipt_id=receipt_id).first()
    if known is None:
        try:
            return _count(grant, receipt_id, month_of(ran_at or timezone.now()))
        except IntegrityError:  # the same receipt came twice at once
            known = CountedReplay.objects.get(receipt_id=receipt_id)
    if known.grant_id != grant.pk:
        raise Conflict(
            "receipt_of_other", _("This receipt was counted for another license."), _("Send each receipt once.")
        )
    return known


def _count(grant: Grant, receipt_id: uuid.UUID, month: date) -> CountedReplay:
    with transaction.atomic(durable=True):
        row = locked_grant(grant.pk)
        quota = row.acceptance.offer.replays_quota
        if quota is not None and CountedReplay.objects.filter(grant=row, month=month).count() >= quota:
            raise Forbidden(
                "quota_exhausted",
                _("The {quota} replays a month of this license are used up.").format(quota=quota),
                _("Wait for the next month, or ask an owner of your organization for a larger license."),
                {"grant": str(grant.pk), "quota": quota},
            )
        return CountedReplay.objects.create(grant=row, receipt_id=receipt_id, month=month)


def used_in_month(grant: Grant, moment: datetime) -> int:
    return CountedReplay.objects.filter(grant=grant, month=month_of(moment)).count()
