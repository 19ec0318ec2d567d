"""A driver that has been given leave: all its sandboxes may reach what their package declares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keiken.sandbox.protocol import Capability, Driver, Egress, Environment, Limits, Sandbox


class WithLeave:
    """Opens the sandboxes of another driver, with leave for the network where none is given."""

    def __init__(self, driver: Driver, egress: Egress) -> None:
        self._driver, self._egress = driver, egress
        self.name = driver.name

    def probe(self) -> Capability:
        return self._driver.probe()

    def open(
        self,
        *,
        environment: Environment,
        package: Path,
        commands: Sequence[str],
        network: Sequence[str],
        limits: Limits,
        egress: Egress | None = None,
    ) -> Sandbox:
        return self._driver.open(
            environment=environment,
            package=package,
            commands=commands,
            network=network,
            limits=limits,
            egress=egress or self._egress,
        )
