"""The self-test on a cluster: the same escapes, and the ways a cluster has besides."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keiken.sandbox import probes, selftest
from keiken.sandbox.kubernetes.settings import Cluster
from keiken.sandbox.protocol import Capability, Environment, Limits

if TYPE_CHECKING:
    from keiken.sandbox.kubernetes.driver import KubernetesDriver

_LIMITS = Limits(wall_seconds=120, memory_mib=128, pids=16, work_mib=1)
_HAS_AN_INTERFACE = {"other_interfaces"}
"""A Pod has one; that nothing passes it is tried instead."""
_CONNECT = """use Socket; my ($address, $port) = @ARGV; $SIG{ALRM} = sub { exit 0 }; alarm 3;
socket(my $s, PF_INET, SOCK_STREAM, 0) or exit 1;
exit(connect($s, pack_sockaddr_in($port, inet_aton($address))) ? 9 : 0);"""
_ACCOUNT = "exit((-e '/var/run/secrets/kubernetes.io/serviceaccount/token') ? 9 : 0);"


def capability(driver: KubernetesDriver, cluster: Cluster) -> Capability:
    key = (driver.name, cluster.api, cluster.namespace, cluster.runtime_class)
    return selftest.remembered(key, lambda: selftest.judged(driver.name, lambda: _tried(cluster)))


def _tried(cluster: Cluster) -> selftest.Tried:
    """Raises SandboxUnavailable."""
    from keiken.sandbox.kubernetes.driver import open_pod

    name, image = next(iter(cluster.images.items()))
    environment = Environment(name=name, digest=image.environment, root=Path("/"))
    with tempfile.TemporaryDirectory(prefix="keiken-") as package:
        (Path(package) / "SKILL.md").write_text("self-test\n", encoding="utf-8")
        with open_pod(cluster, environment, Path(package), _LIMITS) as sandbox:
            results = _results(sandbox, cluster)
            return selftest.Tried(results, sandbox.isolation, limits_enforced=True)


def _results(sandbox: Any, cluster: Cluster) -> dict[str, str]:
    # Nothing listens on this port inside; out here it would not be reached at all.
    programs = probes.programs(host_port=9, host_pid=os.getpid())
    chosen = {name: argv for name, argv in programs.items() if name not in _HAS_AN_INTERFACE}
    chosen["account_token"] = ["perl", "-e", _ACCOUNT]
    for number, (address, port) in enumerate(_ways_out(cluster)):
        chosen[f"cluster_network_{number}"] = ["perl", "-e", _CONNECT, address, str(port)]
    results = selftest.probed(sandbox, chosen)
    results["control"] = selftest.control(sandbox)
    return results


def _ways_out(cluster: Cluster) -> list[tuple[str, int]]:
    """The API itself, the metadata service and a resolver everybody knows."""
    parts = urlsplit(cluster.api)
    found = [("169.254.169.254", 80), ("1.1.1.1", 53)]
    try:
        entries = socket.getaddrinfo(parts.hostname, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        entries = []
    return [(str(entry[4][0]), parts.port or 443) for entry in entries[:1]] + found
