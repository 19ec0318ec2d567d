"""``keiken frontier``: what explorations found, asking for one, accepting what is proposed."""

from __future__ import annotations

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
RUN: dict[str, Any] = {"environment": "debian-12", "environment_digest": "", "reason": ""}
PROPOSAL = {
    "key": "locale.language",
    "direction": "narrower",
    "value": "c",
    "text": "locale.language = c",
    "evidence": ["debian-12 (ja_JP.utf8): locale.language = ja: failed"],
}
JAPANESE = {"axis": "locale", "value": "ja_JP.utf8"}
EXPLORATION: dict[str, Any] = {
    "environment": "debian-12",
    "state": "done",
    "runs": [
        {**RUN, "outcome": "passed", "bare": "passed"},
        {**RUN, "outcome": "failed", "bare": "failed", "flips": [JAPANESE], "reason": "bad \x1b]0;owned\x07"},
    ],
    "conditions": [{"key": "os.family", "condition": "os.family = linux", "verdict": "supported", "reason": "So."}],
    "dependences": [{**JAPANESE, "passed": 0, "failed": 1, "reason": "bad"}],
    "not_run": [{"axis": "date", "value": "400", "reason": "No clock."}],
}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Marketplace]:
    with marketplaces.running() as made:
        made.publish(pack(write_package(tmp_path / "made")), tmp_path / "unpacked")
        assert keiken_json("login", "--server", made.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield made


def test_conditions_dependences_and_proposals_are_told(market: Marketplace) -> None:
    market.frontier = {"explorations": [EXPLORATION], "proposals": [PROPOSAL]}
    shown = keiken("frontier", REFERENCE)
    assert shown.exit_code == 0
    for text in (
        "os.family = linux",
        "supported",
        "undeclared: Not declared, and it decides: locale ja_JP.utf8. bad",
        "not tried: date 400: No clock.",
        "Let the condition be: locale.language = c.",
        "debian-12 (ja_JP.utf8): locale.language = ja: failed",
        "Accept it with '--accept locale.language'.",
    ):
        assert text in shown.stdout, text
    assert "\x1b]" not in shown.stdout
    document = keiken_json("frontier", REFERENCE).document
    assert (document["reference"], document["proposals"]) == (REFERENCE, [PROPOSAL])


def test_it_is_asked_for_once_and_waits(market: Marketplace) -> None:
    market.frontier = {"explorations": [{"environment": "debian-12", "state": "queued"}], "proposals": []}
    shown = keiken("frontier", REFERENCE, "--request")
    assert "debian-12: not tried yet; it waits for a worker." in shown.stdout
    assert [one.method for one in market.requests if one.path.endswith("/frontier")] == ["POST"]


def test_a_proposal_is_accepted_by_its_fact(market: Marketplace) -> None:
    market.frontier["proposals"] = [PROPOSAL]
    made = keiken_json("frontier", REFERENCE, "--accept", "locale.language")
    assert (made.exit_code, made.document["version"]) == (0, "1.0.1")
    assert keiken_json("frontier", REFERENCE, "--accept", "tool.git").code == "proposal_gone"
    assert keiken_json("frontier", REFERENCE, "--accept", "x", "--request").code == "frontier_one_thing"
