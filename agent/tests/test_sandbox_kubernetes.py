"""Sandboxes in a cluster, over the real API: requests and channels against a double whose Pods are real namespaces."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import replays
import yaml
from commands import keiken_json
from kubernetes_double import ENVIRONMENT_DIGEST, IMAGE_DIGEST, TOKEN, Cluster, Trouble
from sandboxes import package_at

from keiken.errors import Failed, Refused, SandboxUnavailable
from keiken.replay.prove import prove
from keiken.sandbox import drivers, selftest, working_driver
from keiken.sandbox.kubernetes import driver as driver_module
from keiken.sandbox.kubernetes import manifests
from keiken.sandbox.kubernetes.driver import KubernetesDriver
from keiken.sandbox.kubernetes.session import KubernetesSandbox
from keiken.sandbox.kubernetes.settings import cluster_here
from keiken.sandbox.policy import Policy, policy_of
from keiken.sandbox.protocol import Egress, Environment, Limits

ENVIRONMENT = Environment(name="debian-12", digest=ENVIRONMENT_DIGEST, root=Path("/"))
IMAGE = f"registry.test/debian@{IMAGE_DIGEST}"


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(running: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A quiet cluster, named in the environment variables."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "images.yaml").write_text(
        yaml.safe_dump({"debian-12": {"image": IMAGE, "environment": ENVIRONMENT_DIGEST}})
    )
    for name, value in {
        "API": running.url,
        "NAMESPACE": "sandboxes",
        "RUNTIME_CLASS": "gvisor",
        "IMAGES": str(tmp_path / "images.yaml"),
        "TOKEN_FILE": str(tmp_path / "token"),
        "START_SECONDS": "20",
    }.items():
        monkeypatch.setenv(f"KEIKEN_KUBERNETES_{name}", value)
    selftest.forget()
    yield running
    assert running.pods == {}, "a Pod was left behind"
    running.troubles, running.waiting, running.requests, running.policies = [], {}, [], {}
    running.manifests.clear()
    selftest.forget()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return package_at(tmp_path / "package")


@contextlib.contextmanager
def opened(package: Path, **limits: Any) -> Iterator[KubernetesSandbox]:
    sandbox = KubernetesDriver().open(
        environment=ENVIRONMENT, package=package, commands=["sh"], network=[], limits=Limits(**limits)
    )
    try:
        yield sandbox
    finally:
        sandbox.close()


def shell(sandbox: KubernetesSandbox, script: str, *, seconds: float = 20, stdin: bytes = b"", **env: str) -> Any:
    return sandbox.run(["sh", "-c", script], env=env, stdin=stdin, timeout_seconds=seconds)


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
        deadline = time.monotonic() + 20
        while not sandbox.read("work/done").exists and time.monotonic() < deadline:
            time.sleep(0.1)
        assert sandbox.read("work/done").content == b"done\n"


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
        deadline = time.monotonic() + 20
        while sandbox.listening_ports() != {8080} and time.monotonic() < deadline:
            time.sleep(0.1)
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


# What a cluster can say instead


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Trouble("POST", "/pods$", 403, message="pods is forbidden: exceeded quota"), "kubernetes_forbidden"),
        (Trouble("POST", "/pods$", 422, message="denied by a policy"), "kubernetes_refused"),
        (Trouble("POST", "/pods$", 409, message="already exists"), "kubernetes_conflict"),
        (Trouble("POST", "/pods$", 429, times=99, headers={"Retry-After": "0"}), "kubernetes_busy"),
        (Trouble("POST", "/pods$", 500, times=99), "kubernetes_failed"),
        (Trouble("GET", "/networkpolicies", 403), "kubernetes_forbidden"),
        (Trouble("GET", "/exec$", 403, times=99), "kubernetes_forbidden"),
        (Trouble("GET", "/exec$", 429, times=99), "kubernetes_busy"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.path}-{value.status}",
)
def test_a_refusal_of_the_cluster_says_what_to_do_and_leaves_nothing(
    cluster: Cluster, package: Path, trouble: Trouble, code: str
) -> None:
    cluster.troubles.append(trouble)
    with pytest.raises(SandboxUnavailable) as refused, opened(package):
        pass
    assert (refused.value.code, bool(refused.value.advice)) == (code, True)
    assert trouble.message in refused.value.message
    assert TOKEN not in str(refused.value.as_dict())
    assert cluster.pods == {}


def test_a_busy_cluster_is_asked_again(cluster: Cluster, package: Path) -> None:
    cluster.troubles += [Trouble("POST", "/pods$", 429, times=2, headers={"Retry-After": "0"}),
                         Trouble("GET", "/pods/[^/]+$", 503, times=2)]  # fmt: skip
    with opened(package) as sandbox:
        assert shell(sandbox, "echo well").stdout == b"well\n"
    assert [path.split("?")[0] for method, path in cluster.requests if method == "POST"].count(
        "/api/v1/namespaces/sandboxes/pods"
    ) == 3


@pytest.mark.parametrize(
    ("waiting", "code", "words"),
    [
        ({"reason": "ErrImagePull", "message": "not found"}, "kubernetes_image_failed", "ErrImagePull not found"),
        ({"reason": "ImagePullBackOff"}, "kubernetes_image_failed", "ImagePullBackOff"),
        (
            {"status": "False", "message": "0/3 nodes are available"},
            "kubernetes_not_started",
            "0/3 nodes are available",
        ),
    ],
)
def test_a_pod_that_never_starts_is_given_up_and_deleted(
    cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch, waiting: dict[str, str], code: str, words: str
) -> None:
    monkeypatch.setenv("KEIKEN_KUBERNETES_START_SECONDS", "1")
    cluster.waiting = waiting
    with pytest.raises(SandboxUnavailable, match=words) as refused, opened(package):
        pass
    assert refused.value.code == code
    assert cluster.pods == {}


def test_a_wrong_token_a_missing_class_and_a_changed_policy_are_refused(
    cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def code() -> str:
        with pytest.raises(SandboxUnavailable) as refused, opened(package):
            pass
        return refused.value.code

    cluster.policies[manifests.POLICY_NAME] = {"spec": {**manifests.network_policy()["spec"], "egress": [{}]}}
    assert code() == "network_policy_changed"
    monkeypatch.setenv("KEIKEN_KUBERNETES_RUNTIME_CLASS", "missing")
    assert code() == "kubernetes_not_found"
    (tmp_path / "token").write_text("another")
    assert code() == "kubernetes_forbidden"
    (tmp_path / "token").unlink()
    assert code() == "kubernetes_not_configured"
    monkeypatch.setenv("KEIKEN_KUBERNETES_API", "http://127.0.0.1:9")
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr("keiken.sandbox.kubernetes.api._LONGEST_WAIT_SECONDS", 0.0)
    assert code() == "kubernetes_unreachable"
    assert cluster.manifests == []


def test_an_environment_is_the_image_made_from_just_that_root(cluster: Cluster, package: Path) -> None:
    for name, digest in (("debian-12", "sha256:" + "3" * 64), ("local", ENVIRONMENT_DIGEST)):
        with pytest.raises(SandboxUnavailable) as refused:
            KubernetesDriver().open(
                environment=Environment(name=name, digest=digest, root=Path("/")), package=package, commands=[],
                network=[], limits=Limits(),
            )  # fmt: skip
        assert refused.value.code == "environment_image_missing"
    assert cluster.requests == []


def test_a_declared_network_is_refused_with_leave_too(cluster: Cluster, package: Path) -> None:
    with pytest.raises(Refused) as refused:
        KubernetesDriver().open(
            environment=ENVIRONMENT, package=package, commands=[], network=["example.org:443"], limits=Limits(),
            egress=Egress(),
        )  # fmt: skip
    assert refused.value.code == "network_not_available"
    assert cluster.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API", "http://cluster.example"),
        ("API", "ftp://x"),
        ("API", "https://user@cluster.example"),
        ("NAMESPACE", ""),
        ("NAMESPACE", "../kube-system"),
        ("RUNTIME_CLASS", ""),
        ("IMAGES", "/nowhere"),
        ("START_SECONDS", "0"),
        ("START_SECONDS", "soon"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"KEIKEN_KUBERNETES_{name}", value)
    found = KubernetesDriver().probe()
    assert (found.working, f"KEIKEN_KUBERNETES_{name}" in found.problem) == (False, True)
    assert cluster.requests == []


@pytest.mark.parametrize(
    "text", ["", "[]", "debian-12: x", "debian-12: {image: debian@latest, environment: sha256:1}", "{}", "a: {image: 1"]
)
def test_images_are_named_by_digest_or_not_at_all(cluster: Cluster, tmp_path: Path, text: str) -> None:
    (tmp_path / "images.yaml").write_text(text)
    with pytest.raises(SandboxUnavailable) as refused:
        cluster_here()
    assert refused.value.code == "kubernetes_not_configured"


# Choosing it


def test_it_proves_itself_by_the_same_escapes(cluster: Cluster) -> None:
    found = KubernetesDriver().probe()
    assert (found.working, found.isolation, found.problem) == (True, "usermode-kernel", "")
    assert set(found.self_test.values()) == {"contained"}
    assert {"control", "rights", "trace", "account_token", "cluster_network_0", "kernel_settings"} <= set(
        found.self_test
    )


def test_one_escape_that_gets_through_disables_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiken.sandbox.seccomp.program", lambda: b"\x06\0\0\0\0\0\xff\x7f")  # allow everything
    found = KubernetesDriver().probe()
    assert found.working is False
    assert found.self_test["trace"] == "got through"


@pytest.mark.parametrize(
    ("name", "level"), [("gvisor", "usermode-kernel"), ("kata", "virtual-machine"), ("plain", "namespace")]
)
def test_the_level_is_that_of_the_handler(
    cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch, name: str, level: str
) -> None:
    monkeypatch.setenv("KEIKEN_KUBERNETES_RUNTIME_CLASS", name)
    with opened(package) as sandbox:
        assert sandbox.isolation == level


def test_it_is_never_used_unless_it_is_named(cluster: Cluster) -> None:
    assert "kubernetes" not in policy_of("", "").order
    assert working_driver().name == "bubblewrap"
    assert cluster.requests == []
    assert list(drivers()) == ["bubblewrap", "oci", "kubernetes"]
    chosen = working_driver(policy=Policy(order=("bubblewrap", "kubernetes"), minimum="usermode-kernel"))
    assert chosen.name == "kubernetes"
    with pytest.raises(SandboxUnavailable) as refused:
        working_driver(policy=Policy(order=("kubernetes",), minimum="virtual-machine"))
    assert refused.value.code == "isolation_too_weak"


def test_where_no_cluster_is_named_it_does_not_work_and_reaches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEIKEN_KUBERNETES_API", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    found = KubernetesDriver().probe()
    assert (found.working, "KEIKEN_KUBERNETES_API" in found.problem) == (False, True)


def test_without_its_client_it_says_what_to_install(
    cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "websockets.sync.client", None)
    with pytest.raises(SandboxUnavailable) as refused, opened(package):
        pass
    assert refused.value.code == "kubernetes_client_missing"
    assert cluster.pods == {}


def test_a_whole_experience_is_proven_in_a_pod(cluster: Cluster, tmp_path: Path) -> None:
    made = replays.package(
        tmp_path / "experience",
        steps=[
            {"id": "make", "shell": "echo made > work/made", "expect": ["file('work/made').text == 'made\\n'"]},
            {"id": "copy", "run": ["cp", "work/made", "work/copy"]},
        ],
        permissions={"commands": ["cp", "sh"]},
        scenarios=[{"name": "here", "environments": ["debian-12"], "expect": ["file('work/copy').exists"]}],
    )
    verdict = prove(made, made.manifest.scenarios[0], driver=KubernetesDriver(), environment=ENVIRONMENT)
    assert (verdict.verdict, verdict.hollow_caught) == ("passed", True), verdict.reason
    executor = verdict.report.executor
    assert executor is not None
    assert (executor.driver, executor.isolation) == ("kubernetes", "usermode-kernel")


def test_the_command_line_tells_of_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKEN_SANDBOX_DRIVERS", "kubernetes")
    ran = keiken_json("sandbox")
    assert ran.exit_code == 0
    rows = {row["driver"]: row for row in ran.document["drivers"]}
    assert (rows["kubernetes"]["admitted"], rows["bubblewrap"]["admitted"]) == (True, False)


def test_an_owner_is_this_very_process() -> None:
    machine, pid, started = driver_module.owner_label().split("-")
    assert (int(pid), len(machine)) == (os.getpid(), 16)
    assert int(started) > 0
    assert len(driver_module.owner_label()) <= 63
