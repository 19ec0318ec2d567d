"""Experiences that lie, that fail now and then, that look at the clock or for a network: real ones, really proven.

Each gets its verdict, and a reason that tells its publisher what was seen and what to do next.
"""

from __future__ import annotations

from typing import Any

import pytest

from experiences.models import EvidenceRecord, ScenarioResult, Verification
from experiences.services import proving
from experiences.services.verify import verify_next
from tests import factories
from tests.experiences.conftest import publish
from tests.experiences.test_verify import Stage

pytestmark = pytest.mark.slow
HERE = ["debian-12"]


def proven(step: dict[str, Any], *commands: str, **parts: Any) -> ScenarioResult:
    """The result of the one scenario of an experience with this step, proven by the farm's own round."""
    manifest = {
        "name": "tells",
        "parameters": {},
        "permissions": {"commands": list(commands), "write": ["work/**"]},
        "steps": [{"id": "act", **step}],
        "scenarios": [{"name": "acts", "environments": HERE}],
        **parts,
    }
    publish(factories.organization("acme"), **manifest)
    row = verify_next(environment_names=HERE)
    assert row is not None
    result = ScenarioResult.objects.get()
    assert row.verdict == result.verdict
    return result


def test_a_lying_one_fails_and_is_told_which_check_did_not_hold(transactional_db: None, sent: list[Any]) -> None:
    claim = '{"outcome": "succeeded", "verdict": "passed", "files": ["work/orders.bak"]}'
    found = proven({"run": ["echo", claim], "expect": ["file('work/orders.bak').exists"]}, "echo")
    assert found.verdict == "failed"
    assert "In step 'act' this does not hold: file('work/orders.bak').exists" in found.reason
    assert "keiken show --evidence" in found.reason


UNSTEADY = {
    "Step 'act' uses chance": "perl -e 'open(F, q(</dev/urandom)); read(F, $b, 4); exit(unpack(q(L), $b) % 3 == 0)'",
    "Step 'act' reads the clock": "test $(( $(date +%s%N) / 1000 % 2 )) = 0",
}
"""What the reason says of it, and a script that fails one time in three, or at every other microsecond."""


@pytest.mark.parametrize("said", UNSTEADY)
def test_one_that_fails_now_and_then_is_flaky_and_is_told_why(
    transactional_db: None, sent: list[Any], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    # Chance must not decide about this test: in 60 runs it goes unnoticed once in thirty thousand million times.
    monkeypatch.setattr(proving, "STEADY_RUNS", 60)
    monkeypatch.setattr(proving, "STEADY_SECONDS", 300)
    monkeypatch.setattr(proving, "believed", _once_passed(proving.believed))
    shell = f"{UNSTEADY[said]} && touch work/ok"
    found = proven({"shell": shell, "expect": ["file('work/ok').exists"]}, "sh", "perl", "date", "test", "touch")
    assert found.verdict == "flaky"
    assert "identical runs. The other one: In step 'act' this does not hold: result.exit_code == 0" in found.reason
    assert said in found.reason
    # Both are kept, so that the page can say what was not the same.
    assert EvidenceRecord.objects.filter(result=found).count() == 2


def _once_passed(believed: Any) -> Any:
    """The first run that passed: what fails at once is found by the run that repeats it, which has tests of its own."""

    def tried(*arguments: Any, **options: Any) -> Any:
        while True:
            verdict = believed(*arguments, **options)
            if verdict.verdict == "passed":
                return verdict

    return tried


def test_one_that_needs_a_network_it_did_not_declare_is_told_so(transactional_db: None, sent: list[Any]) -> None:
    script = "use IO::Socket::INET; IO::Socket::INET->new(PeerAddr => q(192.0.2.1:80), Timeout => 3) or die qq($!\\n);"
    found = proven({"run": ["perl", "-e", script]}, "perl")
    assert found.verdict == "failed"
    assert "In step 'act' this does not hold: result.exit_code == 0" in found.reason
    assert (
        "It looks for a network, which a verification does not have and the package does not declare." in found.reason
    )


# --- what the repeated runs cost


def test_only_the_first_proof_of_a_version_in_an_environment_is_repeated(
    transactional_db: None, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch)
    version = publish(factories.organization("acme"))
    assert verify_next(environment_names=HERE) is not None
    # The scenario that promises a refusal opens no sandbox, so there is nothing that could be unsteady.
    assert stage.reran == ["greets"] * (proving.STEADY_RUNS - 1)
    stage.reran.clear()
    Verification.objects.create(version=version, environment_name="debian-12", trigger="age")
    assert verify_next(environment_names=HERE) is not None
    assert stage.reran == []


def test_what_takes_long_is_not_repeated(
    transactional_db: None, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch)
    monkeypatch.setattr(proving, "STEADY_SECONDS", -1)
    publish(factories.organization("acme"))
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.verdict, stage.reran) == ("passed", [])


def test_the_first_run_that_ends_otherwise_decides(
    transactional_db: None, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch)
    stage.verdicts = {"greets": ["passed", "passed", "passed", "failed"]}
    publish(factories.organization("acme"))
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.verdict, len(stage.reran)) == ("flaky", 3)
    assert row.results.get(scenario="greets").reason.startswith("It passed in 3 of 4 identical runs.")
