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
TELL_SEARCHES: Final = SQL("""
DELETE FROM experiences_searchchange;
INSERT INTO experiences_searchchange (experience_id, xid, at)
SELECT experience_id, pg_current_xact_id()::text::bigint, clock_timestamp() FROM experiences_searchentry
""")
"""The web server outlives the test, and has to hear that what it knew how to find is gone."""


def delete_instead_of_truncating(connection: BaseDatabaseWrapper) -> None:
    """For ``flush`` on this connection, and on those that a browser's loop has instead. Their user is a superuser."""

    def sql_flush(_ops: Any, _style: Any, tables: Sequence[str], **_options: Any) -> list[str]:
        gone = sorted(set(tables) - STAYS - {"experiences_searchchange"})
        deleting = SQL("; ").join([TELL_SEARCHES, *(SQL("DELETE FROM {}").format(Identifier(table)) for table in gone)])
        # Neither foreign keys nor the triggers that keep the ledger and the audit trail as they are.
        block = SQL("BEGIN SET LOCAL session_replication_role = replica; {}; END").format(deleting)
        return [SQL("DO {}").format(Literal(block.as_string())).as_string()]

    type(connection.ops).sql_flush = sql_flush  # type: ignore[method-assign]
