"""Sandboxes in a cluster, over the real API: requests and channels against a double whose Pods are real namespaces."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from clusters import ENVIRONMENT, IMAGE, opened, shell
from kubernetes_double import Cluster, Trouble
from sandboxes import package_at, until

from keiken.errors import Failed, SandboxUnavailable
from keiken.sandbox.kubernetes import manifests, session
from keiken.sandbox.kubernetes.channels import Execution, ExecutionLost
from keiken.sandbox.kubernetes.driver import KubernetesDriver
from keiken.sandbox.protocol import Limits


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return package_at(tmp_path / "package")


# The manifests


def _pod(**limits: Any) -> dict[str, Any]:
    return manifests.pod(
        "name", image=IMAGE, runtime_class="gvisor", limits=Limits(**limits), owner="o", expires=1_900_000_000
    )


def test_a_pod_asks_for_nothing_that_the_restricted_standard_forbids() -> None:
    """By the list of the Pod Security Standards, level "restricted"."""
    spec = _pod()["spec"]
    assert {
        name: spec[name] for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
    } == dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"), False)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert [set(volume) for volume in spec["volumes"]] == [{"name", "emptyDir"}] * 3
    for container in [*spec["initContainers"], *spec["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert (context["privileged"], context["readOnlyRootFilesystem"]) == (False, True)
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 1000)
        assert "ports" not in container
        assert "env" not in container
        assert "envFrom" not in container


def test_a_pod_is_bounded_in_everything_and_has_no_account() -> None:
    spec = _pod(memory_mib=100, cpus=0.5, work_mib=7, wall_seconds=60)["spec"]
    job = next(one for one in spec["containers"] if one["name"] == "job")
    assert job["resources"]["limits"] == {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "16Mi"}
    assert job["resources"]["requests"] == job["resources"]["limits"]
    assert {volume["name"]: volume["emptyDir"] for volume in spec["volumes"]} == {
        "package": {"medium": "Memory", "sizeLimit": "128Mi"},
        "work": {"medium": "Memory", "sizeLimit": "7Mi"},
        "scratch": {"medium": "Memory", "sizeLimit": "64Mi"},
    }
    assert (spec["activeDeadlineSeconds"], spec["restartPolicy"]) == (420, "Never")
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
    assert (spec["dnsPolicy"], spec["runtimeClassName"]) == ("None", "gvisor")
    assert {one["image"] for one in [*spec["initContainers"], *spec["containers"]]} == {IMAGE}


def test_the_job_sees_the_package_only_to_read() -> None:
    by_name = {one["name"]: one for one in _pod()["spec"]["containers"]}
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in by_name["job"]["volumeMounts"]}
    assert mounts == {
        "/job": True, "/job/work": False, "/tmp": False, "/var/tmp": False, "/run": False, "/home/job": False,
        "/dev/shm": False,
    }  # fmt: skip


def test_the_policy_denies_both_ways_for_every_sandbox() -> None:
    assert manifests.network_policy()["spec"] == {
        "podSelector": {"matchLabels": {"keiken.dev/sandbox": "true"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert _pod()["metadata"]["labels"]["keiken.dev/sandbox"] == "true"


# Carrying out


def test_commands_are_carried_out_step_by_step(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        ran = shell(sandbox, "cat; echo $WORD; pwd; echo oh >&2; exit 3", stdin=b"in ", WORD="said")
        assert (ran.exit_code, ran.reason, ran.stdout, ran.stderr) == (3, "exited", b"in said\n/job\n", b"oh\n")
        ran = shell(sandbox, "kill -USR1 $$")
        assert (ran.exit_code, ran.reason) == (138, "signaled")
        ran = sandbox.run(["no-such-command"], env={}, stdin=b"", timeout_seconds=20)
        assert (ran.exit_code, ran.reason) == (127, "not_found")
        ran = sandbox.run(["/job/SKILL.md"], env={}, stdin=b"", timeout_seconds=20)
        assert (ran.exit_code, ran.stderr) == (126, b"cannot execute: Permission denied\n")
        assert set(shell(sandbox, "env").stdout.split(b"\n")) >= {b"HOME=/home/job", b"LANG=C.UTF-8", b"TZ=UTC"}
        assert b"KUBERNETES" not in shell(sandbox, "env").stdout
        large = b"x" * 300_000
        assert shell(sandbox, "wc -c", stdin=large).stdout.strip() == b"300000"


def test_limits_of_time_and_output_end_a_command_and_the_next_one_runs(cluster: Cluster, package: Path) -> None:
    with opened(package, output_kept_bytes=1000, output_killed_bytes=100_000) as sandbox:
        ran = shell(sandbox, "echo begun; sleep 60", seconds=8)
        assert (ran.exit_code, ran.reason, ran.stdout) == (137, "timeout", b"begun\n")
        ran = shell(sandbox, "yes")
        assert (ran.reason, len(ran.stdout), ran.truncated) == ("output_limit", 1000, True)
        assert shell(sandbox, "ulimit -n; ulimit -c").stdout == b"1024\n0\n"
        assert shell(sandbox, "echo next").stdout == b"next\n"


def test_what_a_step_starts_lives_on_without_holding_it_up(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        ran = shell(sandbox, "(sleep 4; echo late; echo done > work/done; sleep 60) & echo early")
        assert (ran.stdout, ran.duration_seconds < 20) == (b"early\n", True)
        assert until(lambda: sandbox.read("work/done").content == b"done\n")


def test_nothing_of_a_package_stands_in_what_a_cluster_logs(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        shell(sandbox, "true open-sesame", stdin=b"open-sesame", SECRET="open-sesame")
        sandbox.write("work/f", b"open-sesame", 0o600)
    assert [path for _method, path in cluster.requests if "sesame" in path] == []
    assert "sesame" not in str(cluster.manifests)


def test_services_are_reached_on_the_loopback_of_the_pod(cluster: Cluster, package: Path) -> None:
    server = (
        "use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalAddr=>'127.0.0.1',LocalPort=>8080,Listen=>5,"
        'ReuseAddr=>1) or die; while (my $c = $l->accept) { my $line = <$c>; print $c "got $line"; close $c }'
    )
    with opened(package) as sandbox:
        assert sandbox.listening_ports() == frozenset()
        sandbox.start(["perl", "-e", server], env={})
        assert until(lambda: sandbox.listening_ports() == {8080})
        with sandbox.connect("localhost", 8080, 20) as made:
            made.settimeout(20)
            made.sendall(b"hello\n")
            assert made.recv(100) == b"got hello\n"
            assert made.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            sandbox.connect("127.0.0.1", 8081, 20)
        with pytest.raises(OSError):
            sandbox.connect("example.com", 80, 20)
        with pytest.raises(Failed) as failed:
            sandbox.start(["no-such-service"], env={})
        assert failed.value.code == "service_not_started"


# Files


def test_files_are_read_back_without_following_anything(cluster: Cluster, package: Path) -> None:
    script = """cd work; echo secret > real; ln -s real link; ln -s /etc folder; mkfifo fifo; mkdir deep; echo in > deep/in
    ln -s deep shortcut; truncate -s 20M large; printf odd > "$(printf 'bad\\377name')"; chmod 640 real"""
    with opened(package) as sandbox:
        assert shell(sandbox, script).exit_code == 0
        real = sandbox.read("work/real")
        assert (real.kind, real.size, real.mode, real.content) == ("file", 7, "0640", b"secret\n")
        assert [sandbox.read(f"work/{name}").kind for name in ("link", "folder", "fifo", "deep")] == [
            "other", "other", "other", "folder",
        ]  # fmt: skip
        assert not sandbox.read("work/folder/passwd").exists
        assert not sandbox.read("work/shortcut/in").exists
        assert not sandbox.read("../etc/passwd").exists
        large = sandbox.read("work/large")
        assert (large.size, large.content) == (20 << 20, None)
        assert sandbox.paths("work/**") == ["work/deep/in", "work/large", "work/real"]
        assert sandbox.paths("**/*.csv") == ["assets/list.csv"]


def test_files_are_written_and_removed_below_work_only(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        sandbox.write("work/a/b/c", b"\0binary\xff", 0o600)
        found = sandbox.read("work/a/b/c")
        assert (found.content, found.mode) == (b"\0binary\xff", "0600")
        shell(sandbox, "ln -s /tmp work/out; ln -s a/b/c work/link")
        with pytest.raises(Failed) as failed:
            sandbox.write("work/out/x", b"x", 0o644)
        assert failed.value.code == "file_not_written"
        assert shell(sandbox, "ls /tmp").stdout == b""
        sandbox.write("work/link", b"new", 0o644)
        assert (sandbox.read("work/link").content, sandbox.read("work/a/b/c").content) == (b"new", b"\0binary\xff")
        sandbox.remove("work/a")
        assert sandbox.paths("work/**") == ["work/link"]
        for path in ("SKILL.md", "work", "work/../SKILL.md", "/etc/passwd", "work/a\0b"):
            with pytest.raises(Failed) as failed:
                sandbox.write(path, b"x", 0o644)
            assert failed.value.code == "path_not_writable"
        assert sandbox.read("SKILL.md").content == (package / "SKILL.md").read_bytes()
        assert shell(sandbox, "echo x > SKILL.md").exit_code != 0


# Ending


def test_settling_ends_everything_and_leaves_the_files_to_read(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        shell(sandbox, "echo kept > work/kept; (trap '' TERM; while :; do date +%N > work/ticking; done) &")
        sandbox.settle()
        job = next(one for one in next(iter(cluster.pods.values())).containers if one.name == "job")
        assert "terminated" in job.state
        first = sandbox.read("work/ticking").content
        time.sleep(0.3)
        assert sandbox.read("work/ticking").content == first
        assert sandbox.read("work/kept").content == b"kept\n"
        with pytest.raises(Failed) as failed:
            shell(sandbox, "true")
        assert failed.value.code == "sandbox_settled"


def test_a_job_that_ends_its_first_process_ends_itself(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        assert shell(sandbox, "kill 1; sleep 20").reason == "killed"
        assert shell(sandbox, "true").reason == "killed"
        sandbox.settle()


def test_a_connection_that_breaks_while_the_container_lives_is_nobodys_verdict(
    cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ExecutionLost("no close frame received or sent")

    monkeypatch.setattr(session, "_TOLD_SECONDS", 0.3)
    with opened(package) as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(Execution, "receive", broken)
            with pytest.raises(SandboxUnavailable, match="no close frame") as lost:
                shell(sandbox, "true")
        assert lost.value.code == "sandbox_lost"
        cluster.troubles.append(Trouble("GET", "/exec$", 500, times=99))
        with pytest.raises(SandboxUnavailable) as lost:
            shell(sandbox, "true")
        assert lost.value.code == "kubernetes_failed"
        cluster.troubles.clear()
        assert shell(sandbox, "echo on").stdout == b"on\n"


def test_a_pod_that_the_cluster_ends_is_nobodys_verdict(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        next(iter(cluster.pods.values())).evict("Evicted")
        with pytest.raises(SandboxUnavailable, match="Evicted") as lost:
            shell(sandbox, "true")
        assert lost.value.code == "sandbox_lost"


def test_memory_that_ends_a_container_is_told(cluster: Cluster, package: Path) -> None:
    with opened(package) as sandbox:
        pod = next(iter(cluster.pods.values()))
        job = next(one for one in pod.containers if one.name == "job")
        job.reason = "OOMKilled"
        job.end()
        assert shell(sandbox, "true").reason == "out_of_memory"


def test_the_next_start_sweeps_what_a_killed_owner_and_time_have_left(
    cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = os.fork()
    if child == 0:
        try:
            KubernetesDriver().open(environment=ENVIRONMENT, package=package, commands=[], network=[], limits=Limits())
        finally:
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    (orphan,) = cluster.pods
    live = KubernetesDriver().open(environment=ENVIRONMENT, package=package, commands=[], network=[], limits=Limits())
    assert list(cluster.pods) == [live.pod]
    assert orphan != live.pod
    # Another machine's is left alone while its time runs, and swept when it is over.
    cluster.pods[live.pod].manifest["metadata"]["labels"]["keiken.dev/owner"] = "f" * 16 + "-1-1"
    with opened(package):
        assert live.pod in cluster.pods
    cluster.pods[live.pod].manifest["metadata"]["labels"]["keiken.dev/expires"] = "1"
    with opened(package):
        assert live.pod not in cluster.pods
    live.close()
