"""``--on host``: the only door to the executor that changes this machine. Nothing but this command opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keiken.cli.machine import facts_in
from keiken.cli.replay_place import Place, limits_of
from keiken.cli.terminal import Terminal
from keiken.i18n import _
from keiken.package import Package
from keiken.sandbox import Sandbox
from keiken.sandbox.host import HostDriver, environment
from keiken.sandbox.protocol import Egress


def on_host(terminal: Terminal, package: Package, extra: Path | None) -> Place:
    """This machine itself, confined to the declared paths and commands where its kernel can. Opens nothing yet."""
    permissions = package.manifest.permissions
    driver = HostDriver(permissions.write or ("work/**",))
    capability = driver.probe()
    if capability.problem:
        terminal.note(f"{capability.problem} {capability.advice}")
    with terminal.working(_("looking at this machine")):
        here = environment()
        facts = facts_in(here, package, extra)

    def open_executor(_egress: Egress | None) -> Sandbox:
        opened: Any = driver.open(
            environment=here,
            package=package.folder,
            commands=permissions.commands,
            network=permissions.network,
            limits=limits_of(package),
        )
        executor: Sandbox = opened  # its isolation is a read-only property, which the protocol's variable is not
        return executor

    return Place(open_executor, facts, capability.limits_enforced)
