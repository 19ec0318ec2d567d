"""What holds after every test, whatever it was about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection, connections
from pytest_django import DjangoDbBlocker

from experiences.search.shelf import SHELF
from tests import settings, tables
from tests.flushing import delete_instead_of_truncating
from tests.kept import KEPT
from tests.serving import serving


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Called by pytest-django before it makes the database of this test process."""
    connections["default"].settings_dict["TEST"]["TEMPLATE"] = tables.template()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    KEPT.blocker = django_db_blocker
    if settings.USES_EMBEDDED_POSTGRES:
        delete_instead_of_truncating(connection)
    yield
    KEPT.blocker = None
    with django_db_blocker.unblock():
        KEPT.leave()


@pytest.fixture(scope="session")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the one web server of this test process. It takes all it knows from the database, each time anew."""
    with serving(tmp_path_factory.mktemp("web")) as port:
        yield port


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    KEPT.prepare(item)


@pytest.fixture(autouse=True)
def _nothing_is_found_of_tests_before() -> None:
    """An index is of one process; that a test's rows are rolled back is nothing it hears of."""
    SHELF.forget()


@pytest.fixture(autouse=True)
def _the_ledger_balances(request: pytest.FixtureRequest) -> Iterator[None]:
    """All money that a test moved comes to nothing per currency, and the checks that wait for a commit agree."""
    if request.node.get_closest_marker("django_db") or {"db", "transactional_db"} & set(request.fixturenames):
        request.getfixturevalue("db")
        yield
        with connection.cursor() as cursor:
            if connection.in_atomic_block:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(
                "SELECT currency, sum(amount_minor) FROM licensing_ledgerline GROUP BY 1 HAVING sum(amount_minor) <> 0"
            )
            assert cursor.fetchall() == []
    else:
        yield
