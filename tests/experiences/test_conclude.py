"""What is written down: the worst verdict, contradictions as flaky, only what the database can keep, only once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEntry, Organization
from experiences.domain.verdicts import WORST_FIRST, overall, with_history
from experiences.models import Attestation, Environment, ScenarioResult, Verification, Version
from experiences.services.attest import attest
from experiences.services.claim import claim
from experiences.services.conclude import conclude
from tests.experiences.conftest import concluded, open_row, publish, seen


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


def test_a_conclusion_names_where_and_how_and_is_audited(version: Version, sent: list[Any]) -> None:
    row = concluded(version)
    assert (row.state, row.verdict, row.isolation, row.attempts) == ("done", "passed", "namespace", 1)
    assert row.finished_at is not None
    assert row.environment is not None
    assert (row.environment.name, row.environment.facts) == ("debian-12", {"os.family": "linux"})
    assert sorted(row.results.values_list("scenario", "verdict")) == [
        ("greets", "passed"),
        ("refuses another family", "passed"),
    ]
    entry = AuditEntry.objects.get(action="verification.conclude")
    assert entry.details == {"verification": str(row.pk), "environment": "debian-12", "verdict": "passed"}
    assert entry.actor_kind == "system"


def test_the_signing_worker_is_nudged_after_the_commit(
    version: Version, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = concluded(version)
    assert ("attest", (str(row.pk),)) in sent


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], "inconclusive"),
        (["passed", "passed"], "passed"),
        (["passed", "precondition_unmet"], "precondition_unmet"),
        (["precondition_unmet", "inconclusive"], "inconclusive"),
        (["inconclusive", "vacuous"], "vacuous"),
        (["vacuous", "flaky"], "flaky"),
        (["flaky", "failed"], "failed"),
        (["failed", "limit_exceeded"], "limit_exceeded"),
        (["limit_exceeded", "policy_violation"], "policy_violation"),
        (["policy_violation", "invalid_package"], "invalid_package"),
        (["invalid_package", "error"], "error"),
    ],
)
def test_the_worst_verdict_decides(verdicts: list[str], expected: str) -> None:
    assert overall(verdicts) == expected
    assert overall(reversed(verdicts)) == expected


def test_every_verdict_of_the_agent_has_its_place() -> None:
    from typing import get_args

    from keiken.replay.report import Verdict

    assert sorted(WORST_FIRST) == sorted(get_args(Verdict))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({}, {"a": "passed"}, "passed"),
        ({"a": "passed"}, {"a": "passed"}, "passed"),
        ({"a": "passed"}, {"a": "failed"}, "flaky"),
        ({"a": "failed"}, {"a": "passed"}, "flaky"),
        ({"a": "limit_exceeded"}, {"a": "passed"}, "flaky"),
        ({"a": "failed"}, {"a": "failed"}, "failed"),
        ({"a": "vacuous"}, {"a": "passed"}, "passed"),
        ({"a": "passed"}, {"a": "policy_violation"}, "policy_violation"),
        ({"a": "passed", "b": "passed"}, {"a": "failed", "b": "policy_violation"}, "policy_violation"),
        ({"other": "failed"}, {"a": "passed"}, "passed"),
    ],
)
def test_identical_runs_that_contradict_each_other_are_flaky(
    before: dict[str, str], now: dict[str, str], expected: str
) -> None:
    assert with_history(now, before) == expected


def test_a_flaky_version_recovers_after_two_runs_that_agree(version: Version) -> None:
    verdicts = [concluded(version, verdict).verdict for verdict in ("passed", "failed", "passed", "passed")]
    assert verdicts == ["passed", "flaky", "flaky", "passed"]


def test_another_environment_digest_is_allowed_to_end_differently(version: Version) -> None:
    concluded(version, "passed")
    assert concluded(version, "failed", digest="sha256:" + "f" * 64).verdict == "failed"
    assert Environment.objects.count() == 2


def test_what_the_database_cannot_keep_is_replaced(version: Version) -> None:
    steps = [
        {
            "id": "write",
            "action": "run",
            "outputs": {"nul": "a\0b", "half": "\ud800", "list": ["\0"], "\0": 1},
            "stdout": "\0" * 3,
        }
    ]
    row = concluded(version, "failed", reason="because \0", steps=steps)
    result = row.results.get(scenario="greets")
    assert result.reason == "because \ufffd"
    outputs = result.report["steps"][0]["outputs"]
    assert outputs == {"nul": "a\ufffdb", "half": "\ufffd", "list": ["\ufffd"], "\ufffd": 1}
    assert result.report["steps"][0]["stdout"] == "\ufffd" * 3


def test_infinite_numbers_and_endless_texts_are_cut(version: Version) -> None:
    row = concluded(version, result={"number": float("inf"), "text": "x" * 1_000_000})
    result = row.results.get(scenario="greets")
    assert result.report["result"]["number"] is None
    assert len(result.report["result"]["text"]) == 64_000


def test_one_open_verification_for_a_version_and_environment(version: Version) -> None:
    first = open_row(version)
    with pytest.raises(IntegrityError, match="verification_open_once"), transaction.atomic():
        Verification.objects.create(version=version, environment_name="debian-12", trigger="age")
    assert list(Verification.objects.all()) == [first]


def test_done_and_verdict_go_together(version: Version) -> None:
    row = open_row(version)
    for change in ({"state": "done"}, {"verdict": "passed"}):
        with pytest.raises(IntegrityError, match="verification_done_has_verdict"), transaction.atomic():
            Verification.objects.filter(pk=row.pk).update(**change)


@pytest.mark.parametrize("model", [Attestation, ScenarioResult])
def test_what_was_seen_and_signed_cannot_be_changed_or_deleted(version: Version, model: Any) -> None:
    row = concluded(version)
    attest(verification_id=str(row.pk))
    table = model._meta.db_table
    column = "envelope" if model is Attestation else "report"
    before = list(model.objects.order_by("pk").values())
    for statement in (f"UPDATE {table} SET {column} = '{{}}'", f"DELETE FROM {table}"):
        with (
            pytest.raises(IntegrityError, match="are only ever added"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert list(model.objects.order_by("pk").values()) == before
    assert before


def test_a_conclusion_that_breaks_half_way_leaves_the_row_running(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = claim(environments=["debian-12"])
    assert row is not None

    def broken(**_arguments: object) -> None:
        raise RuntimeError("the machine goes down here")

    monkeypatch.setattr("experiences.services.conclude.audit.record", broken)
    with pytest.raises(RuntimeError):
        conclude(row, seen({"greets": "passed"}))
    row.refresh_from_db()
    assert (row.state, row.verdict, ScenarioResult.objects.count()) == ("running", "", 0)
