"""``keiken show --evidence``: what a verification saw, in a terminal that nobody can steer."""

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
STEP: dict[str, Any] = {
    "id": "copy",
    "action": "run",
    "argv": ["cp", "work/\x1b]0;owned\x07draft.txt", "work/greeting.txt"],
    "status": "succeeded",
    "duration_seconds": 0.25,
    "exit_code": 0,
    "cpu_seconds": 0.012,
    "peak_memory_bytes": 3 << 20,
    "checks": [
        {
            "kind": "expect",
            "expression": "file('work/greeting.txt').size > 5",
            "holds": True,
            "values": [{"name": "file('work/greeting.txt').size", "shown": "13", "digest": "sha256:13"}],
        }
    ],
    "outputs": [{"name": "bytes", "shown": "13", "digest": "sha256:13"}],
    "files": [{"path": "work/greeting.txt", "change": "made", "after": "sha256:" + "a" * 64, "size": 13}],
    "files_left_out": 4,
}
NETWORK: list[dict[str, Any]] = [
    {"step": "copy", "host": "pypi.example", "port": 443, "method": "CONNECT", "address": "203.0.113.7",
     "sent_bytes": 512, "received_bytes": 40_960, "newer": True},
    {"step": "copy", "host": "evil\x1b]0;owned\x07.example", "port": 80, "method": "GET", "code": "not_declared", "count": 3},
]  # fmt: skip
PROOF: dict[str, Any] = {
    "verification": "0f0e",
    "environment": "debian-12",
    "environment_digest": "sha256:" + "e" * 64,
    "verdict": "passed",
    "finished_at": "2026-11-23T12:00:00Z",
    "scenarios": [
        {
            "scenario": "greets",
            "verdict": "passed",
            "reason": "All steps and checks held.",
            "runs": [
                {"replay_id": "r", "outcome": "succeeded", "steps": [STEP], "outcome_digest": "sha256:77", "new": 1}
            ],
            "compared": {
                "verification": "0f0d",
                "finished_at": None,
                "differences": [{"step": "copy", "what": "output", "name": "bytes", "one": "12", "other": "13"}],
            },
            "runs_known": 2,
            "outcomes_known": 2,
        }
    ],
}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Marketplace]:
    with marketplaces.running() as made:
        made.publish(pack(write_package(tmp_path / "made")), tmp_path / "unpacked")
        assert keiken_json("login", "--server", made.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield made


def test_every_step_is_told_with_its_words_values_files_and_use(market: Marketplace) -> None:
    market.proofs, market.is_granted = [PROOF], True
    shown = keiken("show", REFERENCE, "--evidence")
    assert shown.exit_code == 0
    for text in (
        "debian-12 passed 2026-11-23 12:00",
        "copy succeeded  0.250 s · exit code 0 · 0.012 s of processor · 3.0 MiB at most",
        "$ cp work/\\x1b]0;owned\\x07draft.txt work/greeting.txt",
        "✓ file('work/greeting.txt').size > 5",
        "file('work/greeting.txt').size = 13",
        "+ work/greeting.txt  13 B",
        "and 4 more files",
        "outcome sha256:77",
        "Not the same as in the run before",
    ):
        assert text in shown.stdout
    assert "\x1b]" not in shown.stdout
    assert "Without a license" not in shown.stdout


def test_what_a_run_asked_the_network_for_is_told_with_what_became_of_it(market: Marketplace) -> None:
    run = {**PROOF["scenarios"][0]["runs"][0], "network": NETWORK}
    market.proofs, market.is_granted = [{**PROOF, "scenarios": [{**PROOF["scenarios"][0], "runs": [run]}]}], True
    shown = keiken("show", REFERENCE, "--evidence").stdout
    for line in (
        "  What it asked the network for:",
        "    ✓ CONNECT pypi.example:443 (203.0.113.7)  sent 512 B, received 40960 B  copy",
        "    ✗ not_declared GET evil\\x1b]0;owned\\x07.example:80 × 3  sent 0 B, received 0 B  copy",
    ):
        assert line in shown.splitlines()
    assert "\x1b]" not in shown
    document = keiken_json("show", REFERENCE, "--evidence").document
    assert document["proofs"][0]["scenarios"][0]["runs"][0]["network"][0]["newer"] is True
    market.proofs = [PROOF]
    assert "network" not in keiken("show", REFERENCE, "--evidence").stdout


def test_the_document_holds_what_the_marketplace_said_and_what_newer_ones_add(market: Marketplace) -> None:
    market.proofs, market.is_granted = [PROOF], True
    document = keiken_json("show", REFERENCE, "--evidence").document
    assert (document["reference"], document["is_full"]) == (REFERENCE, True)
    run = document["proofs"][0]["scenarios"][0]["runs"][0]
    assert run["new"] == 1
    assert run["steps"][0]["argv"] == STEP["argv"]


def test_an_environment_may_be_named(market: Marketplace) -> None:
    shown = keiken("show", REFERENCE, "--evidence", "debian-12")
    assert shown.exit_code == 0
    assert "No verification has been concluded there." in shown.stdout
    asked = next(request for request in market.requests if request.path.endswith("/evidence"))
    assert asked.query == {"environment": ["debian-12"]}


def test_without_a_license_it_says_that_this_is_not_all(market: Marketplace) -> None:
    market.proofs = [PROOF]
    assert "Without a license only this much is told." in keiken("show", REFERENCE, "--evidence").stdout
