"""``make strength``: every mutant of every example, in real sandboxes. Exit 1 when less than 95 % are noticed."""

from __future__ import annotations

import sys
from pathlib import Path

from keiken.package import Package, load
from keiken.replay.prove import prove
from keiken.sandbox import Driver, environments, working_driver
from keiken.strength import Bounds, Strength, grade, proposal_line, sentence, summary, wilson

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NEEDED = 0.95
BOUNDS = Bounds(mutants=1000, seconds=1800)


def graded(package: Package, name: str, driver: Driver) -> Strength:
    environment = environments.get(name)
    scenarios = [scenario for scenario in package.manifest.scenarios if name in scenario.environments]
    proven = [prove(package, scenario, driver=driver, environment=environment) for scenario in scenarios]
    return grade(package, proven, driver=driver, environment=environment, bounds=BOUNDS)


def main() -> int:
    driver, caught, tried = working_driver(), 0, 0
    for folder in sorted(path.parent for path in EXAMPLES.glob("*/experience.yaml")):
        package = load(folder)
        for name in sorted({name for scenario in package.manifest.scenarios for name in scenario.environments}):
            strength = graded(package, name, driver)
            caught, tried = caught + strength.caught, tried + strength.n
            print(f"{folder.name}, {name}: {summary(strength)} {strength.seconds:.0f} s", flush=True)
            for mutant in strength.survivors:
                print(f"  not noticed: {sentence(mutant)}\n    {proposal_line(mutant)}")
    lower, upper = wilson(caught, tried)
    print(f"{caught} of {tried} noticed: {100 * caught / tried:.1f} % (95 % interval {lower:.3f} to {upper:.3f})")
    return 0 if caught >= NEEDED * tried else 1


if __name__ == "__main__":
    sys.exit(main())
