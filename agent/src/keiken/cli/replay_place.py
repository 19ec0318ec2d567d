"""Where a replay happens: in a sandbox, or, asked for by name, on this machine itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keiken.cli.machine import environment_named, facts_in
from keiken.cli.terminal import Terminal
from keiken.i18n import _
from keiken.package import Package
from keiken.sandbox import Limits, Sandbox, working_driver
from keiken.sandbox.protocol import Egress

WALL_SECONDS_LIMIT = 3_600 * 6


@dataclass(frozen=True)
class Place:
    """``open`` starts the executor, with leave for the network or without; nothing runs before."""

    open: Callable[[Egress | None], Sandbox]
    facts: Mapping[str, Any]
    limits_enforced: bool


def in_sandbox(
    terminal: Terminal, package: Package, environment_name: str, extra: Path | None, driver_name: str | None = None
) -> Place:
    """Raises SandboxUnavailable when no sandbox works here, UsageError for an unknown environment."""
    with terminal.working(_("testing the sandbox")):
        driver = working_driver(driver_name)
        capability = driver.probe()
    environment = environment_named(environment_name, terminal)

    def open_sandbox(egress: Egress | None) -> Sandbox:
        return driver.open(
            environment=environment,
            package=package.folder,
            commands=package.manifest.permissions.commands,
            network=package.manifest.permissions.network,
            limits=limits_of(package),
            egress=egress,
        )

    return Place(open_sandbox, facts_in(environment, package, extra), capability.limits_enforced)


def limits_of(package: Package) -> Limits:
    """The usual limits, with as much time as the steps may take by their own limits."""
    seconds = 60.0
    for step in [*package.manifest.steps, *package.manifest.undo]:
        attempts = step.retry.attempts if step.retry else 1
        delay = step.retry.delay_seconds if step.retry else 0
        seconds += attempts * (step.timeout_seconds + delay)
    return Limits(wall_seconds=min(WALL_SECONDS_LIMIT, max(Limits().wall_seconds, seconds)))
