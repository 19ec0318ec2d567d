"""What drivers that start a launcher have in common: the plan it gets, and the live sandbox its answer becomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from keiken.errors import Refused, SandboxUnavailable
from keiken.i18n import _
from keiken.paths import cache_dir
from keiken.sandbox import seccomp, wire
from keiken.sandbox.bwrap_arguments import HIDDEN
from keiken.sandbox.egress.owner import PORT, VARIABLES, EgressProxy
from keiken.sandbox.jobfolder import JobFolder
from keiken.sandbox.protocol import Egress, Environment, Limits
from keiken.sandbox.session import BASE_ENVIRONMENT, NamespaceSandbox
from keiken.sandbox.start import NotStarted, start_launcher

_HOST_FOLDERS = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
S = TypeVar("S", bound=NamespaceSandbox)


@dataclass(frozen=True, slots=True)
class WayOut:
    """What may be reached beside loopback, and within which bounds."""

    network: Sequence[str]
    egress: Egress


def way_out(network: Sequence[str], egress: Egress | None) -> WayOut | None:
    """None for a package that wants no more than loopback. Raises Refused when nobody gave leave for more."""
    if not network:
        return None
    if egress is None:
        raise Refused(
            "network_not_available",
            _("This sandbox has no network but its own loopback; '{first}' cannot be reached.").format(
                first=network[0]
            ),
            _(
                "Let the scenario offer the service on loopback, or allow what it declares: 'keiken check' and 'keiken "
                "replay' ask for it."
            ),
        )
    return WayOut(network, egress)


def plan_of(
    environment: Environment, package: Path, commands: Sequence[str], limits: Limits, way_out: WayOut | None
) -> dict[str, Any]:
    """What every launcher is told. Raises SandboxUnavailable when the state folder cannot be used."""
    return {
        "root": str(environment.root),
        "host_folders": _host_folders() if environment.name == "local" else [],
        "hidden": [path for path in HIDDEN if Path(path).exists()],
        "package": str(package.resolve()),
        "commands": list(commands),
        "limits": asdict(limits),
        "proxy_port": PORT if way_out else 0,
        **_places(),
    }


def _host_folders() -> list[str]:
    return [folder for folder in _HOST_FOLDERS if Path(folder).is_dir() and not Path(folder).is_symlink()]


def _places() -> dict[str, str]:
    """The slots' folder and the mount point: one for the machine as root, else the person's own."""
    base = Path("/run/keiken") if os.geteuid() == 0 else cache_dir() / "sandboxes"
    point = base / "mount"
    try:
        point.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            base.chmod(0o711)
    except OSError as trouble:
        raise SandboxUnavailable(
            "state_folder_unusable",
            _("The folder '{folder}' cannot be used: {trouble}.").format(folder=base, trouble=trouble.strerror),
            _("Make it writable for this user."),
        ) from trouble
    return {"slots": str(base / "slots"), "point": str(point)}


def launch(
    kind: type[S],
    plan: dict[str, Any],
    environment: Environment,
    limits: Limits,
    way_out: WayOut | None,
    advice_for: Callable[[str], str],
) -> S:
    program_fd = wire.sealed(seccomp.program())
    try:
        started = start_launcher(plan, [program_fd])
    except NotStarted as trouble:
        raise _unavailable(trouble.message, trouble.complaints, advice_for) from trouble
    finally:
        os.close(program_fd)
    facts, (package_fd, work_fd, *tables) = started.message, started.descriptors
    listener = tables.pop() if way_out else -1
    sandbox = kind(
        environment=environment,
        limits=limits,
        limits_enforced=facts["limits_enforced"],
        control=started.control,
        process=started.process,
        folder=JobFolder(package_fd, work_fd, facts["uid"], facts["gid"]),
        port_tables=tables,
        uid=facts["uid"],
        base_environment={**BASE_ENVIRONMENT, **VARIABLES} if way_out else BASE_ENVIRONMENT,
    )
    if way_out:
        try:
            sandbox.open_way_out(
                EgressProxy.start(listener, way_out.network, way_out.egress, uid=facts["uid"], gid=facts["gid"])
            )
        except BaseException:
            sandbox.close()
            raise
        finally:
            os.close(listener)
    return sandbox


def _unavailable(answer: dict[str, Any], complaints: str, advice_for: Callable[[str], str]) -> SandboxUnavailable:
    """The launcher's or the runtime's own words, with what to do about the causes we know."""
    words = complaints.splitlines()[-1] if complaints else answer.get("message", "")
    return SandboxUnavailable(
        answer.get("trouble", "sandbox_failed"),
        _("The sandbox did not start: {words}").format(words=words or _("the launcher ended without a word")),
        advice_for(words + " " + str(answer.get("message", ""))),
        {"words": complaints[-2000:]},
    )


def _apparmor_restricts() -> bool:
    """Ubuntu's switch by which a plain user's namespaces have no rights; root's are not concerned."""
    switch = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    return os.geteuid() != 0 and switch.exists() and switch.read_text(encoding="ascii").strip() == "1"


def advice_for(words: str) -> str:
    """What an operator can do about a message of the kernel's, whichever runtime repeats it."""
    if "uid map" in words or "RTM_NEWADDR" in words or _apparmor_restricts():
        return _(
            "AppArmor stops unprivileged user namespaces here (Ubuntu 23.10 and later): run the worker as root, or set "
            "the sysctl kernel.apparmor_restrict_unprivileged_userns=0."
        )
    if "namespace" in words.lower() or "Operation not permitted" in words or "No space left" in words:
        return _(
            "User namespaces are off or used up: set the sysctl user.max_user_namespaces above 0 (and "
            "kernel.unprivileged_userns_clone=1 on older Debian); in a container allow unshare and mount."
        )
    if "Can't mount proc" in words:
        return _("The container hides parts of /proc: run the worker on the machine itself or with an unmasked /proc.")
    return _("See docs/sandbox.md for what this driver needs from the machine.")
