"""Every test has settings of its own; tests about the protocol of sandboxes run with every driver of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sandboxes
from clusters import cluster, running_cluster

__all__ = ["cluster", "running_cluster"]


@pytest.fixture(scope="module", params=["bubblewrap", "oci"])
def each_driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The sandboxes that ``sandboxes.opened`` and ``replays`` open meanwhile are this driver's."""
    name = str(request.param)
    with sandboxes.using(name):
        yield name


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's logins and pins are read or written, neither a person's nor those of a test that runs beside it."""
    monkeypatch.setenv("KEIKEN_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("KEIKEN_API_KEY", raising=False)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a cache of its own."""
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def working_folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a cache that the next tests use, too: what a self-test found is then known."""
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
