"""What a worker does with one claimed row, outside any transaction: fetch, check, unpack, and prove each scenario."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from experiences.blobs import open_blob
from experiences.domain.verdicts import REPEATED, disagree
from experiences.models import Verification, Version
from experiences.services.grading import judged_by_strength, strength_of
from keiken.checks import Evaluator
from keiken.errors import KeikenError, PackageError
from keiken.package import Package, digest, unpack
from keiken.package.manifest import Scenario
from keiken.replay.hints import next_step, why_unsteady
from keiken.replay.prove import prove, rerun
from keiken.replay.report import Report, ScenarioVerdict, StepRecord
from keiken.replay.request import Progress
from keiken.replay.state import LaterState
from keiken.sandbox import environments
from keiken.sandbox.protocol import Capability, Driver, Environment
from keiken.strength import Strength
from keiken.workspace import workspace

BUDGET_SECONDS = 30 * 60
"""For all scenarios of one version in one environment together, so that nobody's package holds a worker for hours."""


Tell = Callable[..., None]
"""Takes the kind of an entry of the live log and its fields; see ``experiences.domain.progress``."""


def _silent(_kind: str, **_fields: object) -> None:
    """Nobody watches."""


STEADY_RUNS = 8
"""So often a scenario runs at its first proof, if there is time: what fails one time in three is then found in 96 of
100 cases, what fails one time in ten in 57, and later proofs find the rest."""
STEADY_SECONDS = 15
"""For these runs of all scenarios together: what takes long is repeated less often, or not at all."""


class OurTrouble(KeikenError):
    """Nothing was learned about the version, and it is not to blame."""


@dataclass(frozen=True)
class Seen:
    """What was seen, where, and how well it was confined."""

    environment: Environment
    capability: Capability
    verdicts: Sequence[ScenarioVerdict]
    strength: Strength | None = None


def look(row: Verification, driver: Driver, tell: Tell = _silent) -> Seen:
    """What there is to see of the claimed row's version; ``tell`` is called while it goes on.

    Raises SandboxUnavailable where it cannot be tried here, OurTrouble where trying told nothing."""
    environment = environments.get_or_local(row.environment_name)
    capability = driver.probe()
    with workspace() as folder:
        # The job's user must be able to pass through; the folder holds nothing but a published package.
        folder.chmod(0o755)
        try:
            package = unpack(fetched(row.version), folder / "package")
        except PackageError as error:
            # It was good enough when it was published; the rules have become stricter since.
            return Seen(environment, capability, _invalid(row, error))
        verdicts = list(_verdicts(row, package, driver, environment, tell))
        trouble = next((verdict for verdict in verdicts if verdict.verdict == "error"), None)
        if trouble is not None:
            raise OurTrouble("verification_error", f"{trouble.scenario}: {trouble.reason}")
        strength = strength_of(row, package, verdicts, driver=driver, environment=environment, tell=tell)
        return Seen(environment, capability, judged_by_strength(package, verdicts, strength), strength)


def fetched(version: Version) -> bytes:
    """The bytes that were published, or none. Raises OurTrouble."""
    expected = version.blob_id
    try:
        with open_blob(expected) as file:
            data = file.read()
    except FileNotFoundError:
        data = b""
    if digest(data) != expected:
        raise OurTrouble("blob_damaged", f"The stored bytes of {version} ({expected}) are damaged or gone.")
    return data


def _verdicts(
    row: Verification, package: Package, driver: Driver, environment: Environment, tell: Tell
) -> Iterator[ScenarioVerdict]:
    deadline = time.monotonic() + BUDGET_SECONDS
    seconds = STEADY_SECONDS if _is_first(row, environment) else 0.0
    for scenario in package.manifest.scenarios:
        if not row.is_trial and row.environment_name not in scenario.environments:
            continue
        if time.monotonic() > deadline:
            reason = _("The scenarios before it took all of the {n} minutes there are for one version.")
            yield _unseen(row, scenario.name, "limit_exceeded", reason.format(n=BUDGET_SECONDS // 60))
        else:
            verdict = believed(package, scenario, driver=driver, environment=environment, tell=tell)
            started = time.monotonic()
            verdict = steadied(
                package, scenario, verdict, driver=driver, environment=environment, tell=tell, seconds=seconds
            )
            seconds -= time.monotonic() - started
            tell("verdict", scenario=scenario.name, verdict=verdict.verdict, reason=verdict.reason)
            yield verdict


def _is_first(row: Verification, environment: Environment) -> bool:
    """Whether nothing was concluded of this version in exactly this environment before."""
    return not Verification.objects.filter(
        version_id=row.version_id,
        state=Verification.State.DONE,
        environment__name=environment.name,
        environment__digest=environment.digest,
    ).exists()


def believed(
    package: Package, scenario: Scenario, *, driver: Driver, environment: Environment, tell: Tell = _silent
) -> ScenarioVerdict:
    """The verdict of a scenario. A failing one is run a second time: if that passes, it is ``flaky``, 1 of 2."""

    def run(number: int) -> ScenarioVerdict:
        tell("scenario", scenario=scenario.name, run=number)
        on_event = _steps_told(scenario, tell)
        return prove(package, scenario, driver=driver, environment=environment, on_event=on_event)

    first = run(1)
    if first.verdict not in REPEATED:
        return first
    second = run(2)
    if disagree(first.verdict, second.verdict):
        return _flaky(package, first, first, passed=1, runs=2).model_copy(update={"repeated": second.evidence})
    reason = " ".join([first.reason, next_step(package.manifest, first.report)])
    return first.model_copy(update={"reason": reason, "repeated": second.evidence})


def steadied(
    package: Package,
    scenario: Scenario,
    first: ScenarioVerdict,
    *,
    driver: Driver,
    environment: Environment,
    tell: Tell,
    seconds: float,
) -> ScenarioVerdict:
    """The verdict of a scenario that passed, after more identical runs; the first that ends otherwise makes it flaky.

    Only the first proof of a version in an environment pays for that. Later ones are compared with it anyway. What may
    reach hosts outside is not repeated: they are somebody else's.
    """
    if first.verdict != "passed" or scenario.outcome == "refused" or package.manifest.permissions.network:
        return first
    deadline = time.monotonic() + seconds
    with Evaluator(LaterState()) as evaluator:
        for number in range(2, STEADY_RUNS + 1):
            if time.monotonic() >= deadline:
                break
            tell("scenario", scenario=scenario.name, run=number)
            again = rerun(package, scenario, driver=driver, environment=environment, evaluator=evaluator)
            if disagree(first.verdict, again.verdict):
                found = _flaky(package, first, again, passed=number - 1, runs=number)
                return found.model_copy(update={"repeated": again.evidence})
    return first


def _flaky(
    package: Package, first: ScenarioVerdict, failing: ScenarioVerdict, *, passed: int, runs: int
) -> ScenarioVerdict:
    reason = _("It passed in {passed} of {runs} identical runs. The other one: {reason} {advice}").format(
        passed=passed, runs=runs, reason=failing.reason, advice=why_unsteady(package.manifest, failing.report)
    )
    return first.model_copy(update={"verdict": "flaky", "reason": reason})


def _steps_told(scenario: Scenario, tell: Tell) -> Progress:
    """What a step's masked record says of it, in one entry when it begins and one when it ends."""

    def told(what: str, record: StepRecord) -> None:
        common = {"scenario": scenario.name, "step": record.id, "title": record.title}
        if what == "started":
            tell("step", **common, status="running")
            return
        tell(
            "step",
            **common,
            status=record.status,
            seconds=record.duration_seconds,
            exit_code=record.exit_code,
            reason=record.reason,
            output="\n".join(filter(None, [record.stdout.strip(), record.stderr.strip()])),
        )

    return told


def _invalid(row: Verification, error: PackageError) -> list[ScenarioVerdict]:
    return [
        _unseen(row, scenario["name"], "invalid_package", error.message, code=error.code)
        for scenario in row.version.manifest["scenarios"]
        if row.is_trial or row.environment_name in scenario["environments"]
    ]


def _unseen(row: Verification, scenario: str, verdict: str, reason: str, code: str = "") -> ScenarioVerdict:
    """A verdict without a replay."""
    report = Report(
        replay_id=str(row.lease_token),
        experience=str(row.version.experience),
        version=row.version.version,
        digest=row.version.blob_id,
        scenario=scenario,
        outcome="refused",
        code=code or verdict,
        reason=reason,
        started_at=datetime.now(UTC),
    )
    return ScenarioVerdict.model_validate(
        {"scenario": scenario, "verdict": verdict, "reason": reason, "report": report}
    )
