"""What a worker does with one claimed row, outside any transaction: fetch, check, unpack, and prove each scenario."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.utils.translation import gettext as _

from experiences.blobs import open_blob
from experiences.domain.verdicts import REPEATED, disagree
from experiences.models import Verification, Version
from experiences.services.grading import judged_by_strength, strength_of
from keiken.errors import KeikenError, PackageError
from keiken.package import Package, digest, unpack
from keiken.package.manifest import Scenario
from keiken.replay import Report, ScenarioVerdict, prove
from keiken.sandbox import environments
from keiken.sandbox.protocol import Capability, Driver, Environment
from keiken.strength import Strength

BUDGET_SECONDS = 30 * 60
"""For all scenarios of one version in one environment together, so that nobody's package holds a worker for hours."""


class OurTrouble(KeikenError):
    """Nothing was learned about the version, and it is not to blame."""


@dataclass(frozen=True)
class Seen:
    """What was seen, where, and how well it was confined."""

    environment: Environment
    capability: Capability
    verdicts: Sequence[ScenarioVerdict]
    strength: Strength | None = None


def look(row: Verification, driver: Driver) -> Seen:
    """Raises SandboxUnavailable where it cannot be tried here, OurTrouble where trying told nothing."""
    environment = environments.get_or_local(row.environment_name)
    capability = driver.probe()
    with tempfile.TemporaryDirectory(prefix="keiken-verify-") as folder:
        # The job's user must be able to pass through; the folder holds nothing but a published package.
        Path(folder).chmod(0o755)
        try:
            package = unpack(fetched(row.version), Path(folder) / "package")
        except PackageError as error:
            # It was good enough when it was published; the rules have become stricter since.
            return Seen(environment, capability, _invalid(row, error))
        verdicts = list(_verdicts(row, package, driver, environment))
        trouble = next((verdict for verdict in verdicts if verdict.verdict == "error"), None)
        if trouble is not None:
            raise OurTrouble("verification_error", f"{trouble.scenario}: {trouble.reason}")
        strength = strength_of(row, package, verdicts, driver=driver, environment=environment)
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
    row: Verification, package: Package, driver: Driver, environment: Environment
) -> Iterator[ScenarioVerdict]:
    deadline = time.monotonic() + BUDGET_SECONDS
    for scenario in package.manifest.scenarios:
        if row.environment_name not in scenario.environments:
            continue
        if time.monotonic() > deadline:
            reason = _("The scenarios before it took all of the {n} minutes there are for one version.")
            yield _unseen(row, scenario.name, "limit_exceeded", reason.format(n=BUDGET_SECONDS // 60))
        else:
            yield believed(package, scenario, driver=driver, environment=environment)


def believed(package: Package, scenario: Scenario, *, driver: Driver, environment: Environment) -> ScenarioVerdict:
    """The verdict of a scenario. A failing one is run a second time: if that passes, it is ``flaky``, 1 of 2."""
    first = prove(package, scenario, driver=driver, environment=environment)
    if first.verdict not in REPEATED:
        return first
    second = prove(package, scenario, driver=driver, environment=environment)
    if not disagree(first.verdict, second.verdict):
        return first.model_copy(update={"repeated": second.evidence})
    reason = _("It passed in 1 of 2 identical runs. The other one: {reason}").format(reason=first.reason)
    return first.model_copy(update={"verdict": "flaky", "reason": reason, "repeated": second.evidence})


def _invalid(row: Verification, error: PackageError) -> list[ScenarioVerdict]:
    return [
        _unseen(row, scenario["name"], "invalid_package", error.message, code=error.code)
        for scenario in row.version.manifest["scenarios"]
        if row.environment_name in scenario["environments"]
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
