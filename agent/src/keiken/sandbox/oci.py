"""The driver for OCI runtimes: runc makes the sandbox, everything else is what bubblewrap's driver does as well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox import launching, seccomp
from keiken.sandbox.protocol import Capability, Egress, Environment, Isolation, Limits
from keiken.sandbox.session import NamespaceSandbox

NAME = "oci"
ISOLATION: Isolation = "namespace"


class OciSandbox(NamespaceSandbox):
    """A sandbox that runc made."""

    driver = NAME
    isolation: Isolation = ISOLATION


class OciDriver:
    """Opens sandboxes with runc; works as root (full limits) and as a plain user."""

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
    ) -> OciSandbox:
        """A live sandbox over a copy of the package. Raises SandboxUnavailable, and Refused for a network nobody gave
        leave for.
        """
        way_out = launching.way_out(network, egress)
        plan = {
            "driver": NAME,
            "runtime": binary(),
            "seccomp_profile": seccomp.profile(),
            **launching.plan_of(environment, package, commands, limits, way_out),
        }
        return launching.launch(OciSandbox, plan, environment, limits, way_out, launching.advice_for)


def binary() -> str:
    """The path of runc; operators may name another one in KEIKEN_OCI_RUNTIME. Raises SandboxUnavailable."""
    path = os.environ.get("KEIKEN_OCI_RUNTIME") or shutil.which(
        "runc", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin"
    )
    if path is None or not os.access(path, os.X_OK):
        raise SandboxUnavailable(
            "oci_runtime_missing",
            _("runc is not installed, so the driver 'oci' cannot run anything."),
            _("Install it: 'apt-get install runc' on Debian and Ubuntu, 'dnf install runc' on Fedora."),
        )
    if Path(path).name.startswith("runsc"):
        raise SandboxUnavailable(
            "oci_runtime_unsupported",
            _("'{path}' is gVisor, whose sandboxes have no namespaces that commands could enter.").format(path=path),
            _("Name a runc in KEIKEN_OCI_RUNTIME."),
        )
    return path
