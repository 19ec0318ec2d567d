"""The rows of a test that committed them, taken away again in one statement.

Django truncates: new files for some hundred tables and their indexes, most of which were empty, and then writes all
content types and permissions anew. Together that takes longer than many of these tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.sql import SQL, Identifier, Literal

STAYS: Final = frozenset({"django_content_type", "auth_permission"})
"""What the migrations made, which is the same after every test."""


def delete_instead_of_truncating(connection: BaseDatabaseWrapper) -> None:
    """For ``flush`` on this connection, whose user has to be a superuser."""

    def sql_flush(_style: Any, tables: Sequence[str], **_options: Any) -> list[str]:
        deleting = SQL("; ").join(SQL("DELETE FROM {}").format(Identifier(table)) for table in set(tables) - STAYS)
        # Neither foreign keys nor the triggers that keep the ledger and the audit trail as they are.
        block = SQL("BEGIN SET LOCAL session_replication_role = replica; {}; END").format(deleting)
        return [SQL("DO {}").format(Literal(block.as_string())).as_string()]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]
