"""What a cluster can say instead, how it is set up, and what the driver promises of it."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
import replays
from clusters import ENVIRONMENT, opened, shell
from commands import keiken_json
from kubernetes_double import ENVIRONMENT_DIGEST, TOKEN, Cluster, Trouble
from sandboxes import package_at

from keiken.errors import Refused, SandboxUnavailable
from keiken.replay.prove import prove
from keiken.sandbox import drivers, working_driver
from keiken.sandbox.kubernetes import driver as driver_module
from keiken.sandbox.kubernetes import manifests
from keiken.sandbox.kubernetes.driver import KubernetesDriver
from keiken.sandbox.kubernetes.settings import cluster_here
from keiken.sandbox.policy import Policy, policy_of
from keiken.sandbox.protocol import Egress, Environment, Limits


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return package_at(tmp_path / "package")


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
