"""Interning conditions: each distinct one is one row, shared by all versions that declare it."""

from __future__ import annotations

from collections.abc import Sequence

from experiences.models import Condition
from keiken.conditions import Condition as Predicate


def intern(conditions: Sequence[Predicate]) -> list[int]:
    """The ids, sorted. Two publishers at once get the same rows.

    Everybody inserts in the same order: two who insert the same conditions in opposite orders would wait for each
    other.
    """
    rows = [
        Condition(
            canonical=condition.canonical(),
            key=condition.key,
            operator=condition.operator,
            value=list(condition.value) if isinstance(condition.value, tuple) else condition.value,
        )
        for condition in sorted(set(conditions), key=Predicate.canonical)
    ]
    Condition.objects.bulk_create(rows, ignore_conflicts=True)
    canonical = [row.canonical for row in rows]
    return sorted(Condition.objects.filter(canonical__in=canonical).values_list("pk", flat=True))
