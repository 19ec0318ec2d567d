"""The driver ``kubernetes``: a Pod for each sandbox, deleted at its end, by the next start, or by the cluster."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import secrets
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keiken.errors import KeikenError, Refused, SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox import mounts
from keiken.sandbox.kubernetes import manifests
from keiken.sandbox.kubernetes.settings import API, Cluster, cluster_here
from keiken.sandbox.protocol import Capability, Egress, Environment, Isolation, Limits

NAME = "kubernetes"
_ISOLATION_BY_HANDLER: tuple[tuple[str, Isolation], ...] = (
    ("runsc", "usermode-kernel"),
    ("gvisor", "usermode-kernel"),
    ("kata", "virtual-machine"),
)
_HOPELESS = {
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
}  # fmt: skip
_POLL_SECONDS = 0.1


class KubernetesDriver:
    """Opens Pods in the cluster of the environment variables; where none is named it does not work."""

    name = NAME

    def probe(self) -> Capability:
        """Prove on the cluster that what must be refused is refused; remembered for a while by this process."""
        try:
            cluster = cluster_here()
        except SandboxUnavailable as trouble:
            return _unusable(trouble)
        if cluster is None:
            return Capability(
                driver=NAME,
                working=False,
                isolation="namespace",
                limits_enforced=False,
                problem=_("No cluster is named in {variable}.").format(variable=API),
                advice=_("See docs/sandbox.md for what the driver 'kubernetes' needs."),
            )
        from keiken.sandbox.kubernetes.proving import capability

        return capability(self, cluster)

    def open(
        self,
        *,
        environment: Environment,
        package: Path,
        commands: Sequence[str],
        network: Sequence[str],
        limits: Limits,
        egress: Egress | None = None,
    ) -> Any:
        """A live Pod over a copy of the package. Raises SandboxUnavailable, and Refused for any network."""
        if network:
            raise Refused(
                "network_not_available",
                _("A sandbox in a cluster has no network but its own loopback; '{first}' cannot be reached.").format(
                    first=network[0]
                ),
                _("Use the driver 'bubblewrap' or 'oci' for it."),
            )
        cluster = cluster_here()
        if cluster is None:
            raise SandboxUnavailable("kubernetes_not_configured", self.probe().problem, self.probe().advice)
        return open_pod(cluster, environment, package, limits)


def open_pod(cluster: Cluster, environment: Environment, package: Path, limits: Limits) -> Any:
    """Create, fill and start a Pod; on any trouble it is deleted. Raises SandboxUnavailable."""
    from keiken.sandbox.kubernetes.api import Api
    from keiken.sandbox.kubernetes.session import KubernetesSandbox

    image = cluster.image_of(environment)
    api = Api(cluster)
    name = f"keiken-{secrets.token_hex(8)}"
    try:
        isolation = isolation_of(api, cluster)
        cut_off(api)
        reap(api)
        lifetime = manifests.lifetime_seconds(limits) + cluster.start_seconds
        manifest = manifests.pod(
            name,
            image=image.reference,
            runtime_class=cluster.runtime_class,
            limits=limits,
            owner=owner_label(),
            expires=int(time.time() + lifetime),
        )
        try:
            api.create_pod(manifest)
            _fill(api, name, package, cluster.start_seconds)
            return KubernetesSandbox(api=api, pod=name, isolation=isolation, environment=environment, limits=limits)
        except BaseException:
            api.delete_pod(name)
            raise
    except BaseException:
        api.close()
        raise


def isolation_of(api: Any, cluster: Cluster) -> Isolation:
    """From the handler that the runtime class really names, not from what it is called. Raises SandboxUnavailable."""
    found = api.runtime_class(cluster.runtime_class)
    if found is None:
        raise SandboxUnavailable(
            "kubernetes_not_found",
            _("The cluster has no runtime class '{name}'.").format(name=cluster.runtime_class),
            _("Install gVisor or Kata Containers there and name its runtime class."),
        )
    handler = str(found.get("handler", ""))
    return next((level for start, level in _ISOLATION_BY_HANDLER if handler.startswith(start)), "namespace")


def cut_off(api: Any) -> None:
    """See that the policy without any network is there and unchanged. Raises SandboxUnavailable."""
    wanted = manifests.network_policy()
    found = api.network_policy(manifests.POLICY_NAME)
    if found is None:
        api.create_network_policy(wanted)
        found = api.network_policy(manifests.POLICY_NAME) or wanted
    spec = found.get("spec", {})
    if any(spec.get(rule) for rule in ("ingress", "egress")) or any(
        spec.get(field) != wanted["spec"][field] for field in wanted["spec"]
    ):
        raise SandboxUnavailable(
            "network_policy_changed",
            _("The network policy '{name}' of the cluster is not the one that cuts sandboxes off.").format(
                name=manifests.POLICY_NAME
            ),
            _("Delete it; it is made anew."),
        )


def owner_label() -> str:
    """This machine and process: the same again only if it is this very process."""
    return f"{_machine()}-{os.getpid()}-{_started(os.getpid())}"


def _machine() -> str:
    try:
        identity = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        identity = ""
    # Containers may share a machine's identity, but not its name.
    return hashlib.sha256(f"{identity} {platform.node()}".encode()).hexdigest()[:16]


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def reap(api: Any) -> int:
    """Delete Pods whose time is over, and those of processes of this machine that are gone. The number deleted."""
    deleted = 0
    for found in api.pods(f"{manifests.MARK}=true"):
        labels = found["metadata"].get("labels", {})
        machine, pid, started = (str(labels.get(manifests.OWNER, "")).split("-") + ["", "", ""])[:3]
        expires = str(labels.get(manifests.EXPIRES, ""))
        is_over = expires.isdigit() and int(expires) < time.time()
        is_orphan = machine == _machine() and pid.isdigit() and _started(int(pid)) != started
        if is_over or is_orphan:
            api.delete_pod(found["metadata"]["name"])
            deleted += 1
    return deleted


def _fill(api: Any, name: str, package: Path, seconds: float) -> None:
    """Hand the package to the first container, and wait until the others run."""
    from keiken.sandbox.kubernetes import channels, programs

    deadline = time.monotonic() + seconds
    _await(api, name, "initContainerStatuses", [manifests.PACKAGE], deadline)
    try:
        trouble = channels.run(api, name, manifests.PACKAGE, programs.UNPACK, stdin=packed_package(package))
        if trouble:
            raise SandboxUnavailable(
                "package_not_copied",
                _("The package could not be put into the sandbox: {words}").format(words=trouble),
                _("Try again."),
            )
        channels.run(api, name, manifests.PACKAGE, ["/usr/bin/perl", "-e", programs.END])
    except channels.ExecutionLost:
        pass  # its end may cut the connection; whether it went well is seen next
    _await(api, name, "containerStatuses", [manifests.JOB, manifests.KEEPER], deadline)


def packed_package(package: Path) -> bytes:
    """A tar archive of regular files and folders only, with the empty folder ``work``. Raises SandboxUnavailable."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="keiken-") as folder:
        try:
            mounts.copy_package(str(package), folder)
        except OSError as trouble:
            raise SandboxUnavailable("package_not_copied", str(trouble), _("See the package's files.")) from trouble
        (Path(folder) / "work").mkdir(exist_ok=True)
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(Path(folder).rglob("*")):
                archive.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=_anonymous)
    return buffer.getvalue()


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _await(api: Any, name: str, field: str, containers: Sequence[str], deadline: float) -> None:
    """Until these containers run. Raises SandboxUnavailable as soon as they never will."""
    seen = ""
    while True:
        found = api.pod(name)
        if found is None:
            raise _not_started("sandbox_lost", _("the Pod is gone"))
        status = found.get("status", {})
        seen = _condition(status) or seen
        if status.get("phase") in ("Failed", "Succeeded"):
            why = " ".join(filter(None, [status.get("reason"), status.get("message")]))
            raise _not_started("sandbox_lost", why or _("the Pod has ended"))
        states = {
            one["name"]: one.get("state", {})
            for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        }
        for state in states.values():
            waiting = state.get("waiting", {})
            if waiting.get("reason") in _HOPELESS:
                raise _not_started(
                    "kubernetes_image_failed", f"{waiting['reason']} {waiting.get('message', '')}".strip()
                )
        if field == "containerStatuses":
            first = states.get(manifests.PACKAGE, {}).get("terminated")
            if first is not None and first.get("exitCode") != 0:
                raise _not_started("package_not_copied", f"exit code {first.get('exitCode')}")
        if all("running" in states.get(container, {}) for container in containers):
            return
        if time.monotonic() > deadline:
            raise _not_started("kubernetes_not_started", seen or _("it took too long"))
        time.sleep(_POLL_SECONDS)


def _condition(status: dict[str, Any]) -> str:
    """Why a Pod is not placed on a node, in the scheduler's words."""
    for condition in status.get("conditions", []):
        if condition.get("status") == "False" and condition.get("message"):
            return f"{condition.get('reason', '')} {condition['message']}".strip()
    return ""


def _not_started(code: str, why: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        code,
        _("The sandbox did not start in the cluster: {why}").format(why=why[:500]),
        _("See the image's digest, the namespace's quota and the nodes' room; the cluster's events say more."),
    )


def _unusable(trouble: KeikenError) -> Capability:
    return Capability(
        driver=NAME,
        working=False,
        isolation="namespace",
        limits_enforced=False,
        problem=trouble.message,
        advice=trouble.advice,
    )
