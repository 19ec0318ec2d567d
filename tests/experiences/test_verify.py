"""A worker's round: what it claims, what it must not blame on the publisher, and real proofs in the real sandbox."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Organization
from experiences.blobs import name_of
from experiences.models import Attestation, ScenarioResult, Verification, Version
from experiences.services import proving
from experiences.services.attest import attest, statement_of
from experiences.services.claim import tell_waiting
from experiences.services.verify import verify_next
from keiken.errors import PackageError, SandboxUnavailable
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import working_driver
from keiken.sandbox.protocol import Capability, Environment
from marketplace.config import read_configuration
from tests import factories
from tests.experiences.conftest import DIGEST, open_row, publish, report

HERE = ["debian-12"]


class Stage:
    """A worker whose sandbox is replaced by a script of verdicts. Only for what the real one does not do on request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.verdicts: dict[str, list[str]] = {}
        self.ran: list[str] = []
        self.reran: list[str] = []
        self.trouble: Exception | None = None
        capability = Capability(driver="bubblewrap", working=True, isolation="namespace", limits_enforced=True)
        environment = Environment(name="debian-12", digest=DIGEST, root=Path("/"), facts={"os.family": "linux"})
        self.probe = lambda: capability
        monkeypatch.setattr("experiences.services.verify.working_driver", lambda **_policy: self)
        monkeypatch.setattr("experiences.services.proving.environments.get_or_local", lambda _name: environment)
        monkeypatch.setattr("experiences.services.proving.prove", self.prove)
        monkeypatch.setattr("experiences.services.proving.rerun", self.rerun)

    def rerun(self, package: object, scenario: Any, **arguments: object) -> ScenarioVerdict:
        found, self.ran = self.ran, []
        verdict = self.prove(package, scenario, **arguments)
        self.reran, self.ran = [*self.reran, *self.ran], found
        return verdict

    def prove(self, _package: object, scenario: Any, **_arguments: object) -> ScenarioVerdict:
        self.ran.append(scenario.name)
        if self.trouble is not None:
            raise self.trouble
        script = self.verdicts.get(scenario.name, [])
        verdict = script.pop(0) if script else "passed"
        return ScenarioVerdict.model_validate(
            {"scenario": scenario.name, "verdict": verdict, "reason": f"it {verdict}", "report": report()}
        )


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@pytest.fixture
def version(transactional_db: None, sent: list[Any]) -> Version:
    # The heartbeat has a connection of its own, so the rows must be committed.
    return publish(factories.organization("acme"))


def assert_nothing_was_concluded() -> None:
    assert not Verification.objects.exclude(verdict="").exists()
    assert (ScenarioResult.objects.count(), Attestation.objects.count()) == (0, 0)


# --- what is believed


def test_nothing_waits(db: None, stage: Stage) -> None:
    assert verify_next(environment_names=HERE) is None


def test_each_scenario_of_this_environment_is_proven_once(
    transactional_db: None, stage: Stage, sent: list[Any]
) -> None:
    scenarios = [
        {"name": "here", "environments": ["debian-12"]},
        {"name": "both", "environments": ["debian-12-web", "debian-12"]},
        {"name": "elsewhere", "environments": ["debian-12-web"]},
    ]
    publish(factories.organization("acme"), scenarios=scenarios)
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.environment_name, row.verdict, stage.ran) == ("debian-12", "passed", ["here", "both"])
    assert verify_next(environment_names=HERE) is None


@pytest.mark.parametrize(
    ("runs", "verdict", "count"),
    [
        (["passed"], "passed", 1),
        (["failed", "failed"], "failed", 2),
        (["failed", "passed"], "flaky", 2),
        (["limit_exceeded", "passed"], "flaky", 2),
        (["failed", "vacuous"], "failed", 2),
        (["vacuous"], "vacuous", 1),
        (["policy_violation"], "policy_violation", 1),
    ],
)
def test_a_failure_is_believed_when_it_happens_twice(
    version: Version, stage: Stage, runs: list[str], verdict: str, count: int
) -> None:
    stage.verdicts = {"greets": list(runs)}
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.verdict, stage.ran.count("greets")) == (verdict, count)
    if verdict == "flaky":
        reason = row.results.get(scenario="greets").reason
        assert reason.startswith(f"It passed in 1 of 2 identical runs. The other one: it {runs[0]} ")


def test_scenarios_beyond_the_budget_are_not_run(
    version: Version, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "BUDGET_SECONDS", -1)
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.verdict, stage.ran) == ("limit_exceeded", [])
    assert row.results.count() == 2


def test_a_package_that_todays_rules_refuse_is_invalid(
    version: Version, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stricter(_data: bytes, _folder: Path) -> None:
        raise PackageError("path_reserved", "assets/con: a reserved name.", file="assets/con")

    monkeypatch.setattr(proving, "unpack", stricter)
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.verdict, stage.ran) == ("invalid_package", [])
    assert set(row.results.values_list("verdict", "reason")) == {("invalid_package", "assets/con: a reserved name.")}
    assert attest(verification_id=str(row.pk)) is not None


# --- trouble of ours


def test_without_a_sandbox_nothing_is_claimed_and_every_row_says_why(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(**_policy: object) -> None:
        raise SandboxUnavailable("no_working_sandbox", "No sandbox works here.", "Install bubblewrap.")

    with monkeypatch.context() as patch:
        patch.setattr("experiences.services.verify.working_driver", none)
        for _number in range(3):
            assert verify_next(environment_names=HERE) is None
    row = Verification.objects.get()
    assert (row.state, row.attempts, row.operator_note) == (
        "queued",
        0,
        "No sandbox works here. Install bubblewrap.",
    )
    assert_nothing_was_concluded()
    Stage(monkeypatch)
    recovered = verify_next(environment_names=HERE)
    assert recovered is not None
    assert (recovered.verdict, recovered.attempts, recovered.operator_note) == ("passed", 1, "")


def test_what_the_operators_policy_refuses_proves_nothing_and_the_note_names_the_level(
    version: Version, settings: Any
) -> None:
    settings.KEIKEN = read_configuration({"KEIKEN_MIN_ISOLATION": "virtual-machine", "KEIKEN_SANDBOX_DRIVERS": "oci"})
    assert verify_next(environment_names=HERE) is None
    row = Verification.objects.get()
    assert (row.state, row.attempts) == ("queued", 0)
    assert "'virtual-machine'" in row.operator_note
    assert "(oci: namespace)" in row.operator_note
    assert_nothing_was_concluded()


def test_a_declared_network_is_reached_only_by_the_operators_leave_and_the_statement_says_so(
    transactional_db: None, sent: list[Any], settings: Any
) -> None:
    ask = (
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 3128) or exit 9;"
        ' print $s "GET http://$ARGV[0]/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"; local $/;'
        " open(my $f, '>', 'work/word'); my $got = <$s>; print $f $got; close $f;"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer_all, args=[listener], daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        parts: dict[str, Any] = {
            "permissions": {"commands": ["perl"], "network": [address]},
            "parameters": {},
            "steps": [
                {"id": "ask", "run": ["perl", "scripts/ask.pl", address], "expect": ["file('work/word').exists"]},
            ],
            "result": {},
            "scenarios": [
                {"name": "a word", "environments": HERE, "expect": ["file('work/word').text.endsWith('word')"]},
            ],
            "files": {"scripts/ask.pl": ask},
        }
        publish(factories.organization("acme"), **parts)
        row = verify_next(environment_names=HERE)
        assert row is not None
        assert (row.verdict, row.results.get().report["code"]) == ("inconclusive", "network_not_available")
        publish(Organization.objects.get(), version="1.0.1", **parts)
        environ = {"KEIKEN_VERIFY_NETWORK": "true", "KEIKEN_VERIFY_ADDRESSES": "127.0.0.1"}
        leave = read_configuration(environ).sandbox_policy
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("experiences.services.verify.working_driver", lambda **_policy: working_driver(policy=leave))
            row = verify_next(environment_names=HERE)
    assert row is not None
    assert row.verdict == "passed", row.results.get().reason
    extension = statement_of(row)["predicate"]["https://keiken.example/attestation/verification/v1"]
    assert extension["network"] == [address]


def _answer_all(listener: socket.socket) -> None:
    """A word for whoever asks, also while the checks are graded, until the listener is closed."""
    with contextlib.suppress(OSError):
        while True:
            client, _peer = listener.accept()
            with client:
                client.recv(65_536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nword")


def test_the_note_goes_to_rows_of_these_environments_only(version: Version) -> None:
    other = open_row(version, "debian-12-web")
    tell_waiting(environments=HERE, note="no sandbox")
    other.refresh_from_db()
    assert other.operator_note == ""
    assert open_row(version).operator_note == "no sandbox"


def test_an_environment_that_cannot_be_had_burns_no_attempt(
    version: Version, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unbuilt(_name: str) -> None:
        raise SandboxUnavailable("environment_not_built", "debian-12 is not built.", "Run 'keiken environments build'.")

    with monkeypatch.context() as patch:
        patch.setattr("experiences.services.proving.environments.get_or_local", unbuilt)
        row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.state, row.attempts) == ("queued", 0)
    assert row.operator_note == "debian-12 is not built. Run 'keiken environments build'."
    assert verify_next(environment_names=HERE) is None
    assert_nothing_was_concluded()
    Verification.objects.update(not_before=row.created_at)
    again = verify_next(environment_names=HERE)
    assert again is not None
    assert (again.verdict, again.attempts) == ("passed", 1)


def test_our_own_error_is_nobodys_verdict_and_is_tried_again(version: Version, stage: Stage) -> None:
    stage.verdicts = {"greets": ["error"]}
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.state, row.attempts) == ("queued", 1)
    assert row.operator_note == "Attempt 1 ended without a verdict: greets: it error"
    assert verify_next(environment_names=HERE) is None
    assert_nothing_was_concluded()
    Verification.objects.update(not_before=row.created_at)
    again = verify_next(environment_names=HERE)
    assert again is not None
    assert (again.verdict, again.attempts) == ("passed", 2)


def test_trouble_that_stays_is_tried_ever_more_rarely_and_then_put_into_quarantine(
    version: Version, stage: Stage
) -> None:
    pauses = []
    for _number in range(6):
        stage.trouble = OSError(28, "No space left on device")
        Verification.objects.update(not_before=version.published_at)
        row = verify_next(environment_names=HERE)
        assert row is not None
        assert row.state == "queued"
        assert row.started_at is not None
        pauses.append((row.not_before - row.started_at).total_seconds())
        assert (row.quarantined_at is not None) == (row.attempts == 6)
    least = [10, 60, 300, 1800, 21600, 21600]
    assert all(low <= pause <= low * 1.25 + 60 for low, pause in zip(least, pauses, strict=True))
    assert Verification.objects.get().operator_note == (
        "Attempt 6 ended without a verdict: [Errno 28] No space left on device"
    )
    assert_nothing_was_concluded()


def test_a_bug_is_raised_and_the_row_waits_without_its_text(version: Version, stage: Stage) -> None:
    stage.trouble = RuntimeError("a secret of the worker")
    with pytest.raises(RuntimeError):
        verify_next(environment_names=HERE)
    row = Verification.objects.get()
    assert (row.state, row.attempts) == ("queued", 1)
    assert row.operator_note == "Attempt 1 ended without a verdict: RuntimeError; the worker's log tells more."
    assert_nothing_was_concluded()


@pytest.mark.parametrize("damage", ["one byte", "half", "gone"])
def test_damaged_bytes_are_never_run(version: Version, stage: Stage, store: Path, damage: str) -> None:
    path = store / name_of(version.blob_id)
    data = bytearray(path.read_bytes())
    if damage == "one byte":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "half":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.unlink()
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.state, stage.ran) == ("queued", [])
    assert "are damaged or gone" in row.operator_note
    assert_nothing_was_concluded()


def test_a_worker_whose_row_was_given_away_writes_nothing(
    version: Version, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_package: object, scenario: Any, **arguments: object) -> ScenarioVerdict:
        Verification.objects.update(state="queued", lease_token=None, lease_until=None)
        return stage.prove(_package, scenario, **arguments)

    stage.verdicts = {"greets": ["failed", "failed"]}
    monkeypatch.setattr(proving, "prove", slow)
    row = verify_next(environment_names=HERE)
    assert row is not None
    assert (row.state, row.verdict) == ("queued", "")
    assert_nothing_was_concluded()
