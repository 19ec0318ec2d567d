"""What verifications saw is kept as it was, told to whom it is licensed, and compared from run to run."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm

from accounts.models import Organization
from experiences.domain.evidence_store import packed, unpacked
from experiences.models import EvidenceRecord, Verification, Version
from experiences.services.claim import claim
from experiences.services.conclude import conclude
from experiences.services.proving import Seen, look
from keiken.replay.evidence import EVIDENCE_BYTES, CheckSeen, Evidence, FileSeen, StepSeen, Value, outcome_digest
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import working_driver
from tests import factories
from tests.experiences.conftest import open_row, publish, report, seen

PATH = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/evidence"
ABC = "sha256:" + "a" * 64


@pytest.fixture(autouse=True)
def _no_messages(sent: list[Any]) -> None:
    """Nobody needs to be woken here."""


def run_of(text: str = "Hello", replay_id: str = "one") -> Evidence:
    write = StepSeen(
        id="write",
        title="Write it",
        action="run",
        argv=["cp", "secret-path", text],
        status="succeeded",
        duration_seconds=0.25,
        exit_code=0,
        cpu_seconds=0.01,
        checks=[
            CheckSeen(
                kind="expect",
                expression="file('work/a').text == 'x'",
                holds=True,
                values=[Value(name="file('work/a').text", shown=f'"{text}"', digest=text)],
            )
        ],
        outputs=[Value(name="text", shown=f'"{text}"', digest=text)],
        files=[FileSeen(path="work/a", change="made", after=ABC, size=5, mode="0644")],
    )
    run = Evidence(replay_id=replay_id, outcome="succeeded", duration_seconds=0.5, steps=[write])
    return run.model_copy(update={"outcome_digest": outcome_digest(run)})


def prove_with(version: Version, *runs: Evidence, verdict: str = "passed", digest: str = "") -> Verification:
    open_row(version)
    row = claim(environments=["debian-12"])
    assert row is not None
    base = seen({"greets": verdict}, **({"digest": digest} if digest else {}))
    shown = ScenarioVerdict(
        scenario="greets", verdict=verdict, reason="", report=report(),
        evidence=runs[0] if runs else None, repeated=runs[1] if len(runs) > 1 else None,
    )  # fmt: skip
    assert conclude(row, Seen(base.environment, base.capability, [shown]))
    row.refresh_from_db()
    return row


@pytest.fixture
def version(acme: Organization) -> Version:
    return publish(acme)


def get(key: factories.Key | None = None, query: str = "") -> dict[str, Any]:
    response = Client().get(PATH + query, headers=key.headers if key else {})
    assert response.status_code == 200, response.content
    return response.json()


def test_a_real_verification_leaves_evidence_of_every_scenario(version: Version) -> None:
    row = claim(environments=["debian-12"])
    assert row is not None
    assert conclude(row, look(row, working_driver()))
    runs = {record.result.scenario: unpacked(bytes(record.content)) for record in EvidenceRecord.objects.all()}
    assert sorted(runs) == ["greets", "refuses another family"]
    write, copy = runs["greets"].steps
    assert write.argv == ["write", "work/draft.txt"]
    assert copy.argv == ["cp", "work/draft.txt", "work/greeting.txt"]
    assert [(file.path, file.change, file.size) for file in copy.files] == [("work/greeting.txt", "made", 13)]
    assert copy.checks[1].values[0].shown == '"Hello, Keiko\\n"'
    assert [step.status for step in runs["refuses another family"].steps] == ["not_run", "not_run"]
    assert runs["greets"].outcome_digest == outcome_digest(runs["greets"])


def test_the_database_refuses_to_change_or_delete_it(version: Version) -> None:
    prove_with(version, run_of())
    for change in (lambda rows: rows.update(outcome_digest="x"), lambda rows: rows._raw_delete("default")):
        with pytest.raises(IntegrityError), transaction.atomic():
            change(EvidenceRecord.objects.all())
    assert EvidenceRecord.objects.get().outcome_digest == run_of().outcome_digest


def test_what_is_stored_is_small_and_the_same_for_the_same() -> None:
    run = run_of()
    assert packed(run) == packed(run)
    assert unpacked(packed(run)) == run
    steps = [run.steps[0].model_copy(update={"id": f"step{n}"}) for n in range(300)]
    assert len(packed(run.model_copy(update={"steps": steps}))) < 20_000


def test_what_was_not_stored_by_us_is_not_unpacked_without_end() -> None:
    with pytest.raises(ValueError, match="larger than what is ever stored"):
        unpacked(gzip.compress(b" " * (3 * EVIDENCE_BYTES)))


def test_publisher_operators_and_licensed_organizations_see_all_and_others_only_how_it_ended(
    acme: Organization, version: Version
) -> None:
    prove_with(version, run_of("SEEN"))
    licensed, stranger = factories.organization("globex"), factories.organization("initech")
    assign_perm("experiences.replay_experience", licensed.group, version.experience)
    for organization in (acme, licensed):
        body = get(factories.agent_key(organization))
        assert body["is_full"]
        step = body["proofs"][0]["scenarios"][0]["runs"][0]["steps"][0]
        assert step["argv"] == ["cp", "secret-path", "SEEN"]
    for key in (None, factories.agent_key(stranger)):
        body = get(key)
        assert not body["is_full"]
        (run,) = body["proofs"][0]["scenarios"][0]["runs"]
        assert run["steps"] == [
            {"id": "write", "title": "Write it", "action": "run", "status": "succeeded", "duration_seconds": 0.25}
        ]
        assert run["duration_seconds"] == 0.5
        assert "SEEN" not in str(body)
        assert "secret-path" not in str(body)


def test_evidence_of_what_one_may_not_see_reads_like_what_does_not_exist(acme: Organization) -> None:
    publish(acme, visibility="organization")
    assert Client().get(PATH).status_code == 404
    assert Client().get(PATH, headers=factories.agent_key(acme).headers).status_code == 200


def test_two_verifications_in_the_same_environment_are_compared_by_step(acme: Organization, version: Version) -> None:
    first = prove_with(version, run_of("one"))
    key = factories.agent_key(acme)
    assert get(key)["proofs"][0]["scenarios"][0]["compared"] is None
    prove_with(version, run_of("two"))
    (scenario,) = get(key)["proofs"][0]["scenarios"]
    assert scenario["compared"]["verification"] == str(first.pk)
    assert scenario["compared"]["differences"] == [
        {"step": "write", "what": "value", "name": "file('work/a').text", "one": '"one"', "other": '"two"'},
        {"step": "write", "what": "output", "name": "text", "one": '"one"', "other": '"two"'},
    ]
    assert (scenario["runs_known"], scenario["outcomes_known"]) == (2, 2)


def test_another_environment_digest_is_allowed_to_differ(acme: Organization, version: Version) -> None:
    prove_with(version, run_of("one"))
    prove_with(version, run_of("two"), digest="sha256:" + "f" * 64)
    (scenario,) = get(factories.agent_key(acme))["proofs"][0]["scenarios"]
    assert scenario["compared"] is None
    assert (scenario["runs_known"], scenario["outcomes_known"]) == (1, 1)


def test_a_run_repeated_at_once_is_what_a_flaky_one_is_compared_with(acme: Organization, version: Version) -> None:
    prove_with(version, run_of("same"))
    row = prove_with(version, run_of("one"), run_of("two", "two"), verdict="flaky")
    (scenario,) = get(factories.agent_key(acme))["proofs"][0]["scenarios"]
    assert [run["replay_id"] for run in scenario["runs"]] == ["one", "two"]
    assert scenario["compared"]["verification"] == str(row.pk)
    assert len(scenario["compared"]["differences"]) == 2


def test_only_the_environment_asked_for(acme: Organization, version: Version) -> None:
    prove_with(version, run_of())
    key = factories.agent_key(acme)
    assert len(get(key, "?environment=debian-12")["proofs"]) == 1
    assert get(key, "?environment=debian-13")["proofs"] == []


def test_more_verifications_cost_no_more_queries(acme: Organization, version: Version) -> None:
    key = factories.agent_key(acme)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            get(key)
        return len(queries)

    for _time in range(2):
        prove_with(version, run_of())
    get(key)
    first = cost()
    for _time in range(3):
        prove_with(version, run_of())
    assert cost() == first
