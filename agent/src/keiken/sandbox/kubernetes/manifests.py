"""The Pod of one sandbox and the policy that cuts all of them off the network, as the API takes them."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from keiken.sandbox.kubernetes.programs import SLEEPER
from keiken.sandbox.mounts import PACKAGE_MIB, SCRATCH
from keiken.sandbox.protocol import Limits

MARK = "keiken.dev/sandbox"
OWNER, EXPIRES = "keiken.dev/owner", "keiken.dev/expires"
POLICY_NAME = "keiken-sandbox-deny-all"
JOB, KEEPER, PACKAGE = "job", "keeper", "package"
USER = 1000
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_SPARE_SECONDS = 300
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def lifetime_seconds(limits: Limits) -> int:
    """After this the cluster ends the Pod by itself, whatever became of its owner."""
    return math.ceil(limits.wall_seconds * 2) + _SPARE_SECONDS


def pod(name: str, *, image: str, runtime_class: str, limits: Limits, owner: str, expires: int) -> dict[str, Any]:
    """Three containers of one image: ``package`` receives the package and ends, ``job`` is the sandbox, ``keeper``
    reads and writes files and never runs anything of the package's. ``job`` sees the package read-only.
    """
    scratch = [{"name": "scratch", "mountPath": path, "subPath": sub} for sub, path in SCRATCH.items()]
    work = {"name": "work", "mountPath": "/job/work"}
    package = {"name": "package", "mountPath": "/job", "readOnly": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {MARK: "true", OWNER: owner, EXPIRES: str(expires)},
        },
        "spec": {
            "runtimeClassName": runtime_class,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": lifetime_seconds(limits),
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "hostNetwork": False,
            "hostPID": False,
            "hostIPC": False,
            "shareProcessNamespace": False,
            "hostname": "sandbox",
            "setHostnameAsFQDN": False,
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["127.0.0.1"]},
            "nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": _ARCHITECTURES[platform.machine()]},
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "supplementalGroups": [],
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [_container(PACKAGE, image, [{"name": "package", "mountPath": "/package"}], _small())],
            "containers": [
                _container(JOB, image, [package, work, *scratch], _resources(limits)),
                _container(KEEPER, image, [package, work], _small()),
            ],
            "volumes": [
                _memory("package", PACKAGE_MIB),
                _memory("work", limits.work_mib),
                _memory("scratch", max(limits.work_mib, 64)),
            ],
        },
    }


def _container(name: str, image: str, mounts: Sequence[Mapping[str, Any]], resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        # Without an environment: what the cluster sets would be read in /proc/1/environ.
        "command": ["/usr/bin/env", "-i", "/usr/bin/perl", "-e", SLEEPER],
        "workingDir": "/",
        "stdin": False,
        "tty": False,
        "terminationMessagePolicy": "File",
        "securityContext": dict(_RESTRICTED),
        "resources": resources,
        "volumeMounts": list(mounts),
    }


def _resources(limits: Limits) -> dict[str, Any]:
    """Requests equal limits ("Guaranteed"), so that no neighbor is overcommitted. Files in memory count as memory."""
    wanted = {
        "cpu": f"{round(limits.cpus * 1000)}m",
        "memory": f"{limits.memory_mib}Mi",
        "ephemeral-storage": "16Mi",
    }
    return {"requests": wanted, "limits": dict(wanted)}


def _small() -> dict[str, Any]:
    wanted = {"cpu": "200m", "memory": f"{PACKAGE_MIB + 128}Mi", "ephemeral-storage": "16Mi"}
    return {"requests": wanted, "limits": dict(wanted)}


def _memory(name: str, mib: int) -> dict[str, Any]:
    """In memory, because only there the size is a wall: of a disk the cluster measures it now and then."""
    return {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": f"{mib}Mi"}}


def network_policy() -> dict[str, Any]:
    """Nothing in, nothing out, for every sandbox of the namespace."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": POLICY_NAME},
        "spec": {"podSelector": {"matchLabels": {MARK: "true"}}, "policyTypes": ["Ingress", "Egress"]},
    }
