"""Telling organizations what happens: one row beside the change it tells of, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from celery import current_app
from django.db import transaction

from accounts.domain.events import EVENTS, TEST
from accounts.models import OutboxEvent

QUEUE = "outgoing"


def tell(kind: str, organization_ids: Iterable[int], data: Mapping[str, Any]) -> list[OutboxEvent]:
    """Call it inside the transaction of the change. ``data`` is JSON-ready and holds no secret."""
    assert kind in EVENTS or kind == TEST, kind
    rows = OutboxEvent.objects.bulk_create(
        OutboxEvent(organization_id=number, kind=kind, data=dict(data)) for number in sorted(set(organization_ids))
    )
    nudge_after_commit("accounts.tasks.deliver_webhooks")
    return rows


def nudge_after_commit(task: str) -> None:
    """A lost message, or no broker at all, costs only time: beat asks for the same every few seconds."""
    transaction.on_commit(lambda: nudge(task), robust=True)


def nudge(task: str) -> None:
    current_app.send_task(task, queue=QUEUE, ignore_result=True)
