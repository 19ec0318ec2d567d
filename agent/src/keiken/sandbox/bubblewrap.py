"""The default driver: bubblewrap under our own limits, started by a launcher process of its own for each sandbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox import launching
from keiken.sandbox.protocol import Capability, Egress, Environment, Isolation, Limits
from keiken.sandbox.session import BubblewrapSandbox

NAME = "bubblewrap"
ISOLATION: Isolation = "namespace"


class BubblewrapDriver:
    """Opens sandboxes with bubblewrap; works as root (full limits) and as a plain user."""

    name = NAME
    isolation: Isolation = ISOLATION

    def probe(self) -> Capability:
        """Prove on this machine that what must be refused is refused; remembered for a while by this process."""
        from keiken.sandbox import selftest

        return selftest.capability(self)

    def open(
        self,
        *,
        environment: Environment,
        package: Path,
        commands: Sequence[str],
        network: Sequence[str],
        limits: Limits,
        egress: Egress | None = None,
    ) -> BubblewrapSandbox:
        """A live sandbox over a copy of the package. Raises SandboxUnavailable, and Refused for a network nobody gave
        leave for.
        """
        way_out = launching.way_out(network, egress)
        plan = {"driver": NAME, "bwrap": binary(), **launching.plan_of(environment, package, commands, limits, way_out)}
        return launching.launch(BubblewrapSandbox, plan, environment, limits, way_out, advice_for)


def binary() -> str:
    """The path of bubblewrap; operators may name another one in KEIKEN_BWRAP. Raises SandboxUnavailable."""
    path = os.environ.get("KEIKEN_BWRAP") or shutil.which("bwrap", path=os.environ.get("PATH", os.defpath))
    if path is None or not os.access(path, os.X_OK):
        raise SandboxUnavailable(
            "bubblewrap_missing",
            _("Bubblewrap is not installed, so nothing can be run safely."),
            _("Install it: 'apt-get install bubblewrap' on Debian and Ubuntu, 'dnf install bubblewrap' on Fedora."),
        )
    return path


def advice_for(words: str) -> str:
    """What an operator can do about a message of bubblewrap or the kernel."""
    if "disable-userns" in words or "Unknown option" in words:
        return _("This bubblewrap is too old: version 0.8 or newer is needed (Debian 12, Ubuntu 24.04, Fedora 38).")
    return launching.advice_for(words)
