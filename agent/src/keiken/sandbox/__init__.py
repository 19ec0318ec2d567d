"""Where experiences are carried out: drivers that confine, environments that are pinned.

Light to import on purpose: the launcher of each sandbox is a small process of this package. The executor for the real
machine
(``keiken.sandbox.host``) is never imported from here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
    from keiken.sandbox.policy import Policy
    from keiken.sandbox.protocol import (
        Capability,
        Driver,
        Environment,
        FileState,
        Isolation,
        Limits,
        RunResult,
        Sandbox,
    )

__all__ = [
    "Capability",
    "Driver",
    "Environment",
    "FileState",
    "Isolation",
    "Limits",
    "RunResult",
    "Sandbox",
    "drivers",
    "working_driver",
]


def drivers() -> dict[str, Driver]:
    """Every driver by name; the first one is the default."""
    from keiken.sandbox.bubblewrap import BubblewrapDriver
    from keiken.sandbox.kubernetes.driver import KubernetesDriver
    from keiken.sandbox.oci import OciDriver

    found: list[Driver] = [BubblewrapDriver(), OciDriver(), KubernetesDriver()]
    return {driver.name: driver for driver in found}


def working_driver(name: str | None = None, policy: Policy | None = None) -> Driver:
    """A driver that has proven itself on this machine and confines well enough: the named one, or the first by policy.

    Without a policy that of the environment variables holds. Raises SandboxUnavailable, UsageError.
    """
    from keiken.errors import SandboxUnavailable, UsageError
    from keiken.i18n import _
    from keiken.sandbox.egress.leave import WithLeave
    from keiken.sandbox.policy import policy_here

    known = drivers()
    policy = policy or policy_here()
    if name is not None and name not in known:
        raise UsageError(
            "unknown_driver",
            _("There is no sandbox driver '{name}'.").format(name=name),
            _("Use one of: {names}.").format(names=", ".join(known)),
        )
    refused = []
    for candidate in [name] if name is not None else policy.order:
        capability = known[candidate].probe()
        if capability.working and policy.admits(capability.isolation):
            return WithLeave(known[candidate], policy.egress) if policy.egress else known[candidate]
        refused.append(capability)
    tests = {"self_test": {capability.driver: dict(capability.self_test) for capability in refused}}
    if weak := [f"{capability.driver}: {capability.isolation}" for capability in refused if capability.working]:
        raise SandboxUnavailable(
            "isolation_too_weak",
            _(
                "No sandbox here confines as well as '{minimum}', which this machine's policy asks for ({found})."
            ).format(minimum=policy.minimum, found=", ".join(weak)),
            _("Install a driver of that level, or set KEIKEN_MIN_ISOLATION lower. See docs/sandbox.md."),
            tests,
        )
    raise SandboxUnavailable(
        "no_working_sandbox",
        _("No sandbox works on this machine: {problem}").format(problem=refused[0].problem),
        refused[0].advice,
        tests,
    )


def __getattr__(name: str) -> object:
    """The types of the protocol, loaded when first asked for."""
    if name in __all__:
        from keiken.sandbox import protocol

        return getattr(protocol, name)
    raise AttributeError(name)
