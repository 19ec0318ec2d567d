"""Every example is what the README says: useful, reviewed, proven, and honest about when it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiken.package import load, review
from keiken.package.manifest import Scenario
from keiken.replay.prove import prove
from keiken.sandbox import environments, working_driver
from keiken.strength import Bounds, grade
from marketplace.config import PROJECT

EXAMPLES = sorted(path.parent for path in (PROJECT / "examples").glob("*/experience.yaml"))
CASES = [
    pytest.param(folder, scenario, name, id=f"{folder.name}: {scenario.name}")
    for folder in EXAMPLES
    for scenario in load(folder).manifest.scenarios
    for name in scenario.environments
]


def test_there_are_at_least_ten() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_complete(folder: Path) -> None:
    package = load(folder)
    manifest = package.manifest
    assert [finding for finding in review(package) if finding.level != "notice"] == []
    assert manifest.conditions
    assert manifest.permissions.commands
    assert manifest.undo
    assert len(manifest.scenarios) >= 2
    assert {scenario.outcome for scenario in manifest.scenarios} >= {"succeeded"}
    assert {scenario.outcome for scenario in manifest.scenarios} & {"refused", "diverged"}


@pytest.mark.slow
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_its_checks_notice_wrong_effects(folder: Path) -> None:
    """A sample for every commit; ``make strength`` tries them all."""
    package = load(folder)
    name = next(scenario.environments[0] for scenario in package.manifest.scenarios if scenario.outcome == "succeeded")
    environment, driver = environments.get(name), working_driver()
    proven = [
        prove(package, scenario, driver=driver, environment=environment)
        for scenario in package.manifest.scenarios
        if scenario.outcome == "succeeded"
    ]
    strength = grade(package, proven, driver=driver, environment=environment, bounds=Bounds(mutants=4))
    assert strength.ungraded == []
    assert strength.n == 4
    # What is known to survive are bytes of files that git and PostgreSQL keep for themselves; docs/checks.md names them.
    assert [mutant for mutant in strength.survivors if mutant.target != "files"] == []
    assert strength.grade() != "weak"


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "scenario", "name"), CASES)
def test_a_scenario_is_proven(folder: Path, scenario: Scenario, name: str) -> None:
    proven = prove(load(folder), scenario, driver=working_driver(), environment=environments.get(name))
    assert proven.verdict == "passed", proven.reason
    if scenario.outcome == "refused":
        assert {step.status for step in proven.report.steps} == {"not_run"}
        assert proven.report.executor is None
