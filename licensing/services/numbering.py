"""Numbers of orders, without gaps, as invoices ask for."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max

from licensing.models import Order

_LOCK = 0x6B656B6E
"""The advisory lock under which orders are numbered, whoever orders."""


def next_number() -> int:
    """The next order's number; the lock lasts until the transaction ends, so that no number is left out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    return (Order.objects.aggregate(last=Max("number"))["last"] or 0) + 1
