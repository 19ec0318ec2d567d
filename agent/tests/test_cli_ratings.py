"""What others say of an experience on the command line: reading, answering, voices, and complaints."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import marketplaces
import pytest
from commands import keiken, keiken_json
from marketplace_parts import CASE
from marketplaces import KEY, Marketplace

from keiken.replay.report import Report

REFERENCE = "acme/write-greeting"


@pytest.fixture
def signed_in() -> Iterator[Marketplace]:
    with marketplaces.running() as running:
        assert keiken_json("login", "--server", running.url, KEIKEN_API_KEY=KEY).exit_code == 0
        running.requests.clear()
        yield running


@pytest.fixture
def reported(signed_in: Marketplace, tmp_path: Path) -> Path:
    """The file of a report that was sent."""
    report = Report(
        replay_id=str(uuid.uuid4()), experience=REFERENCE, version="1.0.0", digest="sha256:" + "0" * 64,
        outcome="succeeded", started_at=datetime.now(UTC),
    )  # fmt: skip
    path = tmp_path / "report.json"
    path.write_text(report.model_dump_json())
    ran = keiken_json("report", str(path), "--saved-steps", "12", "--saved-tokens", "34000")
    assert ran.exit_code == 0, ran.document
    return path


def test_savings_go_with_the_report_and_a_plain_report_has_none(signed_in: Marketplace, reported: Path) -> None:
    [body] = signed_in.reports.values()
    assert body["savings"] == {"steps": 12, "model_tokens": 34_000}
    assert keiken_json("report", str(reported)).document["created"] is False
    [body] = signed_in.reports.values()
    assert "savings" not in body
    assert "savings" not in json.loads(reported.read_text())


@pytest.mark.parametrize("wrong", [["--saved-steps", "-1"], ["--saved-tokens", "many"], ["--saved-steps", "1000001"]])
def test_savings_that_cannot_be_are_a_wrong_call(signed_in: Marketplace, reported: Path, wrong: list[str]) -> None:
    assert keiken_json("report", str(reported), *wrong).exit_code == 1
    assert len(signed_in.reports) == 1


def test_a_rating_sends_only_the_answers_that_were_given(signed_in: Marketplace, reported: Path) -> None:
    ran = keiken_json("rate", REFERENCE, "--stars", "4", "--held", "yes", "--effort-saved", "hours")
    assert (ran.exit_code, ran.document["held"], ran.document["effort_saved"]) == (0, "yes", "hours")
    [said] = signed_in.ratings
    assert {**said, "replay_id": ""} == {
        "stars": 4, "text": "", "replay_id": "", "held": "yes", "effort_saved": "hours",
    }  # fmt: skip
    assert keiken_json("rate", REFERENCE, "--stars", "4", "--held", "maybe").exit_code == 1
    assert len(signed_in.ratings) == 1


def test_ratings_are_listed_with_answers_place_and_reply(signed_in: Marketplace, reported: Path) -> None:
    assert "Nobody has rated it yet." in keiken("ratings", REFERENCE).stdout
    keiken_json("rate", REFERENCE, "--stars", "2", "--described", "no", "--text", "It\x1b[2J lies.")
    shown = keiken("ratings", REFERENCE).stdout
    assert "2/5 · globex · 1.x · debian 12 · #7" in shown
    assert "described right: no" in shown
    assert "lies." in shown
    assert "\x1b[2J" not in shown
    assert keiken_json("ratings", REFERENCE).document["results"][0]["id"] == 7


def test_a_rating_is_answered_and_found_helpful(signed_in: Marketplace, reported: Path) -> None:
    keiken_json("rate", REFERENCE, "--stars", "2")
    assert keiken_json("ratings", REFERENCE, "--helpful", "7").document == {"id": 7, "helpful": 1}
    assert keiken_json("ratings", REFERENCE, "--not-helpful", "7").document["helpful"] == 0
    assert keiken_json("ratings", REFERENCE, "--reply", "7", "--text", "Mended.").document["reply"]["text"] == "Mended."
    assert keiken_json("ratings", REFERENCE, "--reply", "7", "--text", "").document["reply"] is None


@pytest.mark.parametrize(
    "wrong",
    [["--reply", "7"], ["--text", "x"], ["--helpful", "7", "--not-helpful", "7"], ["--helpful", "7", "--text", "x"]],
)
def test_two_things_at_once_are_a_wrong_call(signed_in: Marketplace, wrong: list[str]) -> None:
    ran = keiken_json("ratings", REFERENCE, *wrong)
    assert (ran.exit_code, ran.code) == (1, "ratings_one_thing")
    assert signed_in.requests == []


def test_something_is_flagged_followed_and_appealed(signed_in: Marketplace) -> None:
    said = ["--reason", "security", "--text", "It opens a port."]
    assert keiken_json("flag", REFERENCE, *said).document["id"] == CASE
    assert keiken_json("flag", "--rating", "7", "--answer", *said).exit_code == 0
    body = {"reason": "security", "text": "It opens a port."}
    assert signed_in.complaints == [body, {**body, "part": "reply"}]
    assert "It is hidden (spam). An advertisement." in keiken("flag", "--case", CASE).stdout
    assert keiken_json("flag", "--case", CASE, "--appeal", "No.").document["state"] == "appealed"


@pytest.mark.parametrize(
    "wrong", [[], [REFERENCE], [REFERENCE, "--reason", "spam"], ["--reason", "spam", "--text", "x"]]
)
def test_an_incomplete_report_is_a_wrong_call(signed_in: Marketplace, wrong: list[str]) -> None:
    ran = keiken_json("flag", *wrong)
    assert (ran.exit_code, ran.code) == (1, "flag_incomplete")
    assert signed_in.requests == []
