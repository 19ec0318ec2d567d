"""Rows that many tests begin with, made once for all that follow each other.

They are made in a transaction that stays open; each test works on them in a savepoint of its own and takes it back,
as Django's ``setUpTestData`` does for the tests of one class.
"""

from __future__ import annotations

import importlib
import pickle
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

MAKERS: Final = {
    "house": "tests.accounts.conftest:make_house",
    "shop": "tests.licensing.conftest:make_shop",
    "market": "tests.marketplace.conftest:open_market",
}
"""By the name of the fixture: who makes it."""


def _make(name: str) -> Any:
    module, _colon, function = MAKERS[name].partition(":")
    return getattr(importlib.import_module(module), function)()


@dataclass
class Kept:
    """What stands in the open transaction, and as what each test gets it."""

    name: str = ""
    rows: bytes = b""
    blocker: DjangoDbBlocker | None = None
    """None before the database is there."""
    _transaction: Any = field(default=None, repr=False)

    def prepare(self, item: pytest.Item) -> None:
        """Before any fixture of the test: the world that it asks for, or none."""
        if self.blocker is None:
            return
        wanted = "" if _commits(item) else _wanted(item)
        with self.blocker.unblock():
            if wanted != self.name or connection.closed_in_transaction or connection.needs_rollback:
                self.leave()
                if wanted:
                    self._enter(wanted)
            elif wanted:
                # PostgreSQL does not take it back where a savepoint within the test's own demanded them at once.
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    def give(self, name: str) -> Any:
        """A copy of the test's own of the objects, or all made anew where another world is kept, or none."""
        return pickle.loads(self.rows) if name == self.name else _make(name)

    def _enter(self, name: str) -> None:
        self._transaction = transaction.atomic()
        self._transaction._from_testcase = True  # so that what must be the outermost transaction accepts it
        self._transaction.__enter__()
        self.rows, self.name = pickle.dumps(_make(name)), name

    def leave(self) -> None:
        if self._transaction is None:
            return
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)
        self.name, self.rows, self._transaction = "", b"", None


def _wanted(item: pytest.Item) -> str:
    return next((name for name in MAKERS if name in getattr(item, "fixturenames", ())), "")


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return "transactional_db" in getattr(item, "fixturenames", ()) or bool(marker and marker.kwargs.get("transaction"))


KEPT = Kept()
