"""A reduced ``make soak``: the same farm and the same abuse, with fewer rows and kills."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.config import PROJECT
from scripts.soak import problems


@pytest.mark.slow
def test_killed_workers_a_flushed_broker_and_a_restarted_database_cost_time_only() -> None:
    arguments = ["--rows", "12", "--kills", "3", "--minutes", "8", "--json"]
    done = subprocess.run(
        [sys.executable, "scripts/soak.py", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert (found["verifications"], found["concluded"], found["verdicts_written"]) == (12, 12, 12)
    assert (found["attestations"], found["signed_once_with_its_verdict"], found["log_entries"]) == (12, 12, 24)
    assert (sum(found["killed"].values()), found["broker_emptied"], found["database_restarted"]) == (3, 1, 1)
    assert (found["processes_left"], found["folders_left"]) == ([], [])


def test_the_count_notices_what_is_lost_and_what_is_doubled() -> None:
    counted = (
        "verifications", "concluded", "scenario_results", "verdicts_written", "attestations", "attestations_written",
        "signed_once_with_its_verdict", "summaries",
    )  # fmt: skip
    right = {
        **dict.fromkeys(counted, 12),
        "wrong_verdicts": [],
        "log_entries": 24,
        "log_size": 24,
        "kills_missing": 0,
        "broker_emptied": 1,
        "database_restarted": 1,
        "processes_left": [],
        "folders_left": [],
    }
    assert list(problems(right, 12)) == []
    wrong = {
        **dict.fromkeys(counted, 11),
        "wrong_verdicts": ["a row"],
        "log_entries": 25,
        "kills_missing": 1,
        "broker_emptied": 0,
        "database_restarted": 2,
        "processes_left": [Path("/proc/1")],
        "folders_left": ["keiken-job-x"],
    }
    for name, value in wrong.items():
        assert len(list(problems({**right, name: value}, 12))) == 1, name
