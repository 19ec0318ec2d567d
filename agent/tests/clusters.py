"""A quiet cluster for tests, and sandboxes in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_double import ENVIRONMENT_DIGEST, IMAGE_DIGEST, TOKEN, Cluster

from keiken.sandbox import selftest
from keiken.sandbox.kubernetes.driver import KubernetesDriver
from keiken.sandbox.kubernetes.session import KubernetesSandbox
from keiken.sandbox.protocol import Environment, Limits

ENVIRONMENT = Environment(name="debian-12", digest=ENVIRONMENT_DIGEST, root=Path("/"))
IMAGE = f"registry.test/debian@{IMAGE_DIGEST}"


@pytest.fixture(scope="module")
def running_cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(running_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A quiet cluster, named in the environment variables."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "images.yaml").write_text(
        yaml.safe_dump({"debian-12": {"image": IMAGE, "environment": ENVIRONMENT_DIGEST}})
    )
    for name, value in {
        "API": running_cluster.url,
        "NAMESPACE": "sandboxes",
        "RUNTIME_CLASS": "gvisor",
        "IMAGES": str(tmp_path / "images.yaml"),
        "TOKEN_FILE": str(tmp_path / "token"),
        "START_SECONDS": "20",
    }.items():
        monkeypatch.setenv(f"KEIKEN_KUBERNETES_{name}", value)
    selftest.forget()
    yield running_cluster
    assert running_cluster.pods == {}, "a Pod was left behind"
    running_cluster.troubles, running_cluster.requests = [], []
    running_cluster.waiting, running_cluster.policies = {}, {}
    running_cluster.manifests.clear()
    selftest.forget()


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
