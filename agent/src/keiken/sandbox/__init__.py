"""Where experiences are carried out: drivers that confine, environments that are pinned.

Light to import on purpose: the launcher of each sandbox is a small process of this package. The executor for the real
machine
(``keiken.sandbox.host``) is never imported from here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs a third of a launcher's start
if TYPE_CHECKING:
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
    from keiken.sandbox.oci import OciDriver

    return {BubblewrapDriver.name: BubblewrapDriver(), OciDriver.name: OciDriver()}


def working_driver(name: str | None = None) -> Driver:
    """A driver that has proven itself on this machine, the named one or the first. Raises SandboxUnavailable."""
    from keiken.errors import SandboxUnavailable, UsageError
    from keiken.i18n import _

    known = drivers()
    if name is not None and name not in known:
        raise UsageError(
            "unknown_driver",
            _("There is no sandbox driver '{name}'.").format(name=name),
            _("Use one of: {names}.").format(names=", ".join(known)),
        )
    candidates = [known[name]] if name is not None else list(known.values())
    refused = []
    for driver in candidates:
        capability = driver.probe()
        if capability.working:
            return driver
        refused.append(capability)
    raise SandboxUnavailable(
        "no_working_sandbox",
        _("No sandbox works on this machine: {problem}").format(problem=refused[0].problem),
        refused[0].advice,
        {"self_test": {capability.driver: dict(capability.self_test) for capability in refused}},
    )


def __getattr__(name: str) -> object:
    """The types of the protocol, loaded when first asked for."""
    if name in __all__:
        from keiken.sandbox import protocol

        return getattr(protocol, name)
    raise AttributeError(name)
