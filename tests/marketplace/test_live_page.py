"""Watching a verification run: readable without JavaScript, inert, and only for those who may see the evidence."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from experiences.models import ProgressLog, Verification
from tests.marketplace.conftest import Market, judge
from tests.marketplace.test_pages import HOSTILE, assert_sound

ENTRIES: list[dict[str, Any]] = [
    {"number": 4, "kind": "attempt", "attempt": 2, "environment": "debian-12"},
    {"number": 5, "kind": "scenario", "scenario": "greets", "run": 2},
    {"number": 6, "kind": "step", "step": "write", "title": HOSTILE, "status": "running"},
    {
        "number": 7,
        "kind": "step",
        "step": "write",
        "status": "failed",
        "seconds": 0.5,
        "exit_code": 0,
        "output": HOSTILE,
    },
    {"number": 8, "kind": "verdict", "scenario": "greets", "verdict": "failed", "reason": HOSTILE},
    {"number": 9, "kind": "mutants", "tried": 3, "chosen": 12},
]


@pytest.fixture
def row(market: Market) -> Verification:
    row = market.public.verifications.get()
    entries = [{"at": "2026-11-28T12:00:01.000+00:00", **entry} for entry in ENTRIES]
    ProgressLog.objects.create(verification=row, attempt=2, entries=entries)
    Verification.objects.filter(pk=row.pk).update(state="running", operator_note="in /var/lib/keiken")
    row.refresh_from_db()
    return row


def address(row: Verification, rest: str = "/live") -> str:
    return f"/experiences/acme/write-greeting/1.0.0/verifications/{row.pk}{rest}"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_log_is_there_without_javascript(market: Market, row: Verification, language: str) -> None:
    client = market.signed_in(market.acme)
    client.cookies["django_language"] = language
    html = client.get(address(row)).content.decode()
    outline = assert_sound(html)
    assert {"http-equiv": "refresh", "content": "5"} in outline.all("meta")
    assert HOSTILE not in html
    for text in ("12:00:01", "write", "greets", "in /var/lib/keiken", "--follow"):
        assert text in html
    words = {
        "en": ["3 earlier entries are not kept", "attempt 2 in debian-12", "exit code 0", "3 of 12"],
        "ja": ["debian-12", "12"],
    }
    for text in words[language]:
        assert text in html


def test_htmx_gets_only_the_log_and_is_sent_on_when_it_is_over(market: Market, row: Verification) -> None:
    client = market.signed_in(market.acme)
    fragment = client.get(address(row), headers={"HX-Request": "true"})
    assert fragment.content.decode().strip().startswith('<section id="live"')
    judge(market.public)
    over = client.get(address(row), headers={"HX-Request": "true"})
    assert (over.status_code, over.headers["HX-Redirect"]) == (200, address(row, ""))
    assert client.get(address(row)).headers["Location"] == address(row, "")


def test_the_page_of_an_open_verification_leads_to_its_log(market: Market, row: Verification) -> None:
    client = market.signed_in(market.acme)
    assert client.get(address(row, "")).headers["Location"] == address(row)
    assert f'href="{address(row)}"' in client.get("/experiences/acme/write-greeting/1.0.0").content.decode()


def test_a_licensed_organization_watches_but_reads_no_notes(market: Market, row: Verification) -> None:
    market.grant()
    html = market.signed_in(market.globex).get(address(row)).content.decode()
    assert "attempt 2 in debian-12" in html
    assert "/var/lib/keiken" not in html


def test_others_are_told_how_to_see_it(market: Market, row: Verification) -> None:
    refused = market.signed_in(market.initech).get(address(row))
    assert refused.status_code == 403
    assert "attempt 2" not in refused.content.decode()
    assert (
        address(row)
        not in market.signed_in(market.initech).get("/experiences/acme/write-greeting/1.0.0").content.decode()
    )
    stranger = Client().get(address(row))
    assert (stranger.status_code, stranger.headers["Location"]) == (
        302,
        f"/accounts/login/?next={address(row).replace('/', '%2F')}",
    )
    elsewhere = market.private.verifications.get()
    assert market.signed_in(market.initech).get(address(elsewhere)).status_code == 404
