"""A driver proves itself before anything is trusted to it: it must refuse every escape tried in a real sandbox of its
own.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.sandbox import landlock, probes
from keiken.sandbox.protocol import Capability, Limits
from keiken.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keiken.sandbox.protocol import Environment, Isolation, Sandbox
    from keiken.sandbox.session import NamespaceSandbox

    class LocalDriver(Protocol):
        """A driver whose sandboxes are of this machine's own namespaces."""

        name: str
        isolation: Isolation

        def open(
            self,
            *,
            environment: Environment,
            package: Path,
            commands: Sequence[str],
            network: Sequence[str],
            limits: Limits,
        ) -> NamespaceSandbox: ...


CONTAINED = "contained"
_GOOD_SECONDS, _BAD_SECONDS = 600.0, 20.0
_PROBE_SECONDS = 15.0
"""A probe takes milliseconds; what a busy machine makes of them must not read as "no sandbox works here"."""
_LIMITS = Limits(wall_seconds=30, memory_mib=128, pids=16, work_mib=1, work_inodes=100)
_lock = threading.Lock()
_known: dict[tuple[str, ...], tuple[float, Capability]] = {}


class Tried(NamedTuple):
    """What became of each probe, where, and whether limits hold there."""

    results: dict[str, str]
    isolation: Isolation
    limits_enforced: bool


def capability(driver: LocalDriver) -> Capability:
    """What the driver can enforce here; tried anew after ten minutes, after twenty seconds when it failed."""
    key = (driver.name, os.environ.get("KEIKEN_BWRAP", ""), os.environ.get("KEIKEN_OCI_RUNTIME", ""))
    return remembered(key, lambda: judged(driver.name, lambda: _tried(driver)))


def remembered(key: tuple[str, ...], try_it: Callable[[], Capability]) -> Capability:
    """What was found a while ago by this process, or what is found now."""
    key = (str(os.getpid()), *key)
    with _lock:
        until, found = _known.get(key, (0.0, None))
        if found is None or time.monotonic() >= until:
            found = try_it()
            _known[key] = (time.monotonic() + (_GOOD_SECONDS if found.working else _BAD_SECONDS), found)
        return found


def forget() -> None:
    """Let the next ``capability`` try again."""
    with _lock:
        _known.clear()


def _tried(driver: LocalDriver) -> Tried:
    from keiken.sandbox import environments

    environment = environments.local_root()
    with workspace() as package:
        (package / "SKILL.md").write_text("self-test\n", encoding="utf-8")
        with driver.open(
            environment=environment, package=package, commands=["perl"], network=[], limits=_LIMITS
        ) as sandbox:
            return Tried(_results(sandbox), driver.isolation, sandbox.limits_enforced)


def judged(name: str, try_it: Callable[[], Tried]) -> Capability:
    """Working only if it could be tried and every probe was contained."""
    try:
        results, isolation, enforced = try_it()
    except KeikenError as trouble:
        return _unusable(name, trouble.message, trouble.advice)
    except OSError as trouble:
        return _unusable(name, str(trouble), _("See docs/sandbox.md for what this driver needs."))
    missed = [f"{probe}: {result}" for probe, result in results.items() if result != CONTAINED]
    if missed:
        problem = _("The self-test was not contained ({missed}).").format(missed=", ".join(missed[:5]))
        advice = _(
            "Nothing is run here. See docs/sandbox.md; it names what each probe needs from the kernel and the driver."
        )
        return _unusable(name, problem, advice, results)
    return Capability(
        driver=name,
        working=True,
        isolation=isolation,
        limits_enforced=enforced,
        problem=""
        if enforced
        else _("No control group can be made here: memory and CPU are only bounded per process."),
        advice="" if enforced else _("Run as root, or in a systemd unit with Delegate=yes."),
        self_test=results,
    )


def _unusable(name: str, problem: str, advice: str, results: dict[str, str] | None = None) -> Capability:
    return Capability(
        driver=name,
        working=False,
        isolation="namespace",
        limits_enforced=False,
        problem=problem,
        advice=advice,
        self_test=results or {},
    )


def _results(sandbox: NamespaceSandbox) -> dict[str, str]:
    """Every probe, judged by its exit status as seen from outside, and by what we can see ourselves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        results = probed(sandbox, probes.programs(host_port=listener.getsockname()[1], host_pid=os.getpid()))
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            listener.accept()
            results["host_network"] = "a connection arrived outside"
    results["control"] = control(sandbox)
    results["uid"] = CONTAINED if os.geteuid() != 0 or sandbox.uid != 0 else "the job has the machine's user id 0"
    if landlock.abi():
        undeclared = sandbox.run(["id"], env={}, stdin=b"", timeout_seconds=_PROBE_SECONDS)
        results["undeclared_command"] = (
            CONTAINED if undeclared.exit_code == 126 else "an undeclared command was executed"
        )
    return results


def probed(sandbox: Sandbox, programs: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What became of each probe."""
    results = {}
    for name, argv in programs.items():
        ended = sandbox.run(argv, env={}, stdin=b"", timeout_seconds=_PROBE_SECONDS)
        results[name] = CONTAINED if ended.exit_code == probes.REFUSED else _words(ended.exit_code, ended.reason)
    return results


def control(sandbox: Sandbox) -> str:
    """Something that must work: else "everything was refused" would prove nothing."""
    argv = ["perl", "-e", "open(my $f,'>','/job/work/control') or exit 1; print $f 'ok'; close $f; exit 9"]
    ended = sandbox.run(argv, env={}, stdin=b"", timeout_seconds=_PROBE_SECONDS)
    written = sandbox.read("work/control").content == b"ok"
    return CONTAINED if written and ended.exit_code == probes.GOT_THROUGH else _words(ended.exit_code, ended.reason)


def _words(exit_code: int, reason: str) -> str:
    return "got through" if exit_code == probes.GOT_THROUGH else f"could not be tried ({reason} {exit_code})"
