"""The live log: what a proof is at, while it runs, for those who may see the evidence."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from accounts.models import Organization
from experiences.domain.progress import MOST_ENTRIES, TEXT_CHARACTERS, Entries
from experiences.models import ProgressLog, Verification, Version
from experiences.services.claim import claim
from experiences.services.verify import verify_next
from experiences.services.write_progress import ProgressWriter, forget_progress
from tests import factories
from tests.experiences.conftest import open_row, publish
from tests.journeys.conftest import wait_until

SECRET = "correct-horse-battery"
STEPS: dict[str, Any] = {
    "parameters": {},
    "secrets": ["token"],
    "permissions": {"commands": ["sh", "sleep", "touch"], "write": ["work/**"]},
    "steps": [
        {
            "id": "say",
            "title": "Say it",
            "shell": 'echo "the token is $TOKEN"; touch work/said',
            "env": {"TOKEN": "${{ secrets.token }}"},
            "expect": ["file('work/said').exists"],
        },
        {"id": "wait", "run": ["sleep", "3"], "expect": ["result.exit_code == 0"]},
    ],
    "scenarios": [{"name": "waits", "environments": ["debian-12"], "secrets": {"token": SECRET}}],
}


# --- what is kept


def test_entries_are_numbered_and_only_the_last_ones_are_kept() -> None:
    entries = Entries()
    for number in range(MOST_ENTRIES + 50):
        entries.add("step", step=f"s{number}", reason="", exit_code=None)
    kept = entries.newer_than(0)
    assert kept is not None
    assert [entry["number"] for entry in kept] == list(range(51, MOST_ENTRIES + 51))
    assert set(kept[0]) == {"number", "at", "kind", "step"}
    assert entries.newer_than(MOST_ENTRIES + 50) is None


def test_an_entry_is_short_and_can_be_stored() -> None:
    entries = Entries()
    entries.add("step", output="begin" + "x" * 10_000 + "end\0")
    kept = entries.newer_than(0)
    assert kept is not None
    output = kept[0]["output"]
    assert (len(output), output[0], output[-4:]) == (TEXT_CHARACTERS, "…", "end\N{REPLACEMENT CHARACTER}")


def test_a_worker_that_lost_its_row_does_not_write_over_another(acme: Organization, sent: list[Any]) -> None:
    publish(acme)
    first = claim(environments=["debian-12"])
    assert first is not None
    late, early = Entries(), Entries()
    late.add("attempt", attempt=1)
    writer = ProgressWriter(first, late)
    writer.write()
    Verification.objects.update(state="queued", lease_token=None, lease_until=None)
    second = claim(environments=["debian-12"])
    assert second is not None
    early.add("attempt", attempt=2)
    ProgressWriter(second, early).write()
    late.add("step", step="late")
    writer.write()
    log = ProgressLog.objects.get()
    assert (log.attempt, [entry["kind"] for entry in log.entries]) == (2, ["attempt"])


def test_a_log_is_forgotten_an_hour_after_the_verdict(acme: Organization, sent: list[Any]) -> None:
    version = publish(acme)
    row = open_row(version)
    ProgressLog.objects.create(verification=row, attempt=1)
    assert forget_progress() == 0
    Verification.objects.filter(pk=row.pk).update(state="done", verdict="passed", finished_at=Now())
    assert forget_progress() == 0
    Verification.objects.filter(pk=row.pk).update(finished_at=Now() - timedelta(minutes=61))
    assert forget_progress() == 1
    assert not ProgressLog.objects.exists()


# --- while it runs


def progress_of(version: Version, key: factories.Key | None) -> Any:
    headers = key.headers if key is not None else {}
    return Client().get(
        f"/api/v1/experiences/{version.experience}/versions/{version.version}/progress", headers=headers
    )


def proving() -> None:
    try:
        verify_next(environment_names=["debian-12"])
    finally:
        connection.close()


@pytest.mark.slow
def test_a_publisher_reads_it_while_the_step_still_runs(
    transactional_db: None, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiences.services.proving.STEADY_SECONDS", 0)
    acme = factories.organization("acme")
    version = publish(acme, **STEPS)
    owner = factories.agent_key(acme)
    worker = threading.Thread(target=proving)
    worker.start()
    try:

        def told() -> list[dict[str, Any]]:
            (row,) = progress_of(version, owner).json()["verifications"]
            return list(row["entries"]) if row["state"] == "running" else []

        wait_until(
            lambda: any(entry.get("step") == "wait" and entry["status"] == "running" for entry in told()),
            "the step that waits is told",
        )
        seen = told()
    finally:
        worker.join(120)
    assert [entry["kind"] for entry in seen[:3]] == ["attempt", "scenario", "step"]
    ended = next(entry for entry in seen if entry.get("step") == "say" and entry["status"] != "running")
    assert (ended["status"], ended["exit_code"], ended["output"]) == ("succeeded", 0, "the token is [secret token]")
    row = Verification.objects.get()
    assert row.verdict == "passed"
    entries = ProgressLog.objects.get().entries
    verdicts = [(entry["scenario"], entry["verdict"]) for entry in entries if entry["kind"] == "verdict"]
    assert verdicts == [("waits", "passed")]
    assert any(entry["kind"] == "mutants" for entry in entries)
    assert SECRET not in str(entries)


# --- who reads it


def test_only_those_who_may_see_the_evidence_read_it(acme: Organization, sent: list[Any]) -> None:
    version, hidden = publish(acme), publish(acme, name="hidden", visibility="organization")
    row = open_row(version)
    entries = [{"number": 1, "at": "2026-11-28T12:00:00+00:00", "kind": "attempt", "attempt": 1}]
    ProgressLog.objects.create(verification=row, attempt=1, entries=entries)
    Verification.objects.update(operator_note="in /var/lib/keiken")
    stranger = factories.agent_key(factories.organization("initech"))
    answer = progress_of(version, factories.agent_key(acme))
    assert answer.status_code == 200
    (told,) = answer.json()["verifications"]
    assert (told["state"], told["entries"], told["note"]) == ("queued", entries, "in /var/lib/keiken")
    for key, found, status, code in (
        (None, version, 401, "authentication_required"),
        (stranger, version, 403, "evidence_hidden"),
        (stranger, hidden, 404, "not_found"),
    ):
        refused = progress_of(found, key)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert "in /var/lib" not in refused.content.decode()
