"""Statements tell what the ledger holds, and a spreadsheet that opens one runs nothing."""

from __future__ import annotations

import csv
import io
from datetime import date
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from licensing.domain.statements import COLUMNS, csv_of, inert, month_named
from tests.licensing.buying import offer_of, order, pay
from tests.licensing.conftest import Shop


@given(st.text())
def test_no_cell_begins_a_formula(cell: str) -> None:
    [_names, [found]] = csv.reader(io.StringIO(csv_of([(cell,)]), newline="")) if cell else [[], [inert(cell)]]
    assert found.removeprefix("'") == cell.removeprefix("'")
    is_number = found.lstrip("-").isascii() and found.lstrip("-").isdecimal()
    assert is_number or not found.lstrip(" \u3000").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "26-11", "2026-1", "", "2026-11-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        month_named(text)


def test_a_statement_has_the_sale_of_its_month_and_nobody_elses(shop: Shop) -> None:
    paid = pay(order(shop, offer_of(shop)))
    month = f"{timezone.now():%Y-%m}"
    told = StringIO()
    call_command("statements", "acme", month=month, stdout=told)
    rows = list(csv.DictReader(io.StringIO(told.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    found = [(row["account"], row["currency"], row["amount_minor"], row["text"]) for row in rows]
    assert found == [("payable", "EUR", str(paid.net_minor - paid.fee_minor), f"payment for {paid}")]
    client = Client()
    client.force_login(shop.people["publisher of acme"])
    page = client.get(f"/organizations/acme/statements/{month}.csv")
    assert page.content.decode() == told.getvalue()
    assert page.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert client.get("/organizations/acme/statements/2026-13.csv").status_code == 404
    assert client.get("/organizations/globex/statements/2026-11.csv").status_code == 404
    before = StringIO()
    call_command("statements", "acme", month="2020-01", stdout=before)
    assert before.getvalue() == ",".join(COLUMNS) + "\r\n"
    for wrong in (("nobody", month), ("acme", "soon")):
        with pytest.raises(CommandError):
            call_command("statements", wrong[0], month=wrong[1])
    assert month_named("2026-11") == date(2026, 11, 1)
