"""``keiken show --follow``: each entry of a verification once, until every environment has its verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marketplaces
import pytest
from client_packages import write_package
from commands import keiken, keiken_json
from marketplaces import KEY, Marketplace

from keiken.package import pack

REFERENCE = "acme/write-greeting@1.0.0"


def entry(number: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"number": number, "at": f"2026-11-28T12:00:0{number}Z", "kind": kind, **fields}


def row(state: str, *entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    common = {"verification": "v-1", "environment": "debian-12", "state": state, "attempt": 1 if entries else 0}
    return {**common, "entries": list(entries), **fields}


FIRST = entry(1, "attempt", attempt=1)
BEGINS = entry(2, "step", scenario="greets", step="write", status="running")
ENDS = entry(
    3, "step", scenario="greets", step="write", status="succeeded", seconds=0.25, output="two\x1b]0;lines\nof it"
)
DONE = [{"scenario": "greets", "verdict": "passed", "reason": "All steps and checks held."}]


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Marketplace]:
    monkeypatch.setattr("keiken.cli.show_follow.POLL_SECONDS", 0.01)
    with marketplaces.running() as made:
        made.publish(pack(write_package(tmp_path / "made")), tmp_path / "unpacked")
        assert keiken_json("login", "--server", made.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield made


def test_each_entry_is_told_once_and_the_verdict_at_the_end(market: Marketplace) -> None:
    market.progress_told = [
        [row("queued")],
        [row("running", FIRST, BEGINS)],
        [row("running", FIRST, BEGINS, ENDS)],
        [row("done", FIRST, BEGINS, ENDS, verdict="passed", scenarios=DONE)],
    ]
    shown = keiken("show", REFERENCE, "--follow")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines() == [
        "debian-12  waits for a sandbox",
        "debian-12  12:00:01 attempt 1",
        "debian-12  12:00:02   write …",
        "debian-12  12:00:03   write succeeded  0.25 s",
        "debian-12             two\\x1b]0;lines",
        "debian-12             of it",
        "debian-12  verdict passed",
        "debian-12    greets passed All steps and checks held.",
    ]


def test_with_json_every_line_is_a_document(market: Marketplace) -> None:
    market.progress_told = [
        [row("queued", note="No sandbox works here.")],
        [row("running", FIRST)],
        [row("done", FIRST, verdict="failed", scenarios=[{**DONE[0], "verdict": "failed"}])],
    ]
    ran = keiken("show", REFERENCE, "--follow", "--json")
    documents = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [document["kind"] for document in documents] == ["note", "attempt", "done"]
    assert {(document["reference"], document["environment"]) for document in documents} == {(REFERENCE, "debian-12")}
    assert documents[0]["note"] == "No sandbox works here."
    assert documents[2]["verdict"] == "failed"
    assert ran.exit_code == 5


def test_another_attempt_is_told_from_its_beginning(market: Marketplace) -> None:
    again = entry(1, "attempt", attempt=2)
    market.progress_told = [[row("running", FIRST)], [row("done", again, attempt=2, verdict="passed")]]
    shown = keiken("show", REFERENCE, "--follow")
    assert [line.split()[2:] for line in shown.stdout.splitlines()[:2]] == [["attempt", "1"], ["attempt", "2"]]


def test_following_and_evidence_are_two_things(market: Marketplace) -> None:
    ran = keiken_json("show", REFERENCE, "--follow", "--evidence")
    assert (ran.exit_code, ran.code) == (1, "show_one_thing")
    assert [request for request in market.requests if request.path.endswith(("/progress", "/evidence"))] == []
