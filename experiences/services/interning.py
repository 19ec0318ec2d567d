"""Interning conditions: each distinct one is one row, shared by all versions that declare it."""

from __future__ import annotations

from collections.abc import Sequence

from experiences.models import Condition
from keiken.conditions import Condition as Predicate


def intern(conditions: Sequence[Predicate]) -> list[int]:
    """The ids, sorted. Two publishers at once get the same rows."""
    rows = [
        Condition(
            canonical=condition.canonical(),
            key=condition.key,
            operator=condition.operator,
            value=list(condition.value) if isinstance(condition.value, tuple) else condition.value,
        )
        for condition in conditions
    ]
    Condition.objects.bulk_create(rows, ignore_conflicts=True)
    canonical = [row.canonical for row in rows]
    return sorted(Condition.objects.filter(canonical__in=canonical).values_list("pk", flat=True))
