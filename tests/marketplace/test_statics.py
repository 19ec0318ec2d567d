"""A web server that starts finds its static files gathered, whoever forgot to."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from marketplace.statics import gather_static_files

MANIFEST = "whitenoise.storage.CompressedManifestStaticFilesStorage"


@pytest.fixture
def sources(settings: Any, tmp_path: Path) -> Path:
    """One stylesheet of a site; what its applications bring is left out."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "one.css").write_text("body { color: red }")
    settings.STATICFILES_DIRS = [folder]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": MANIFEST}}
    return folder


def named(root: Path) -> str:
    return str(json.loads((root / "staticfiles.json").read_text())["paths"]["one.css"])


def test_files_are_gathered_once_and_again_after_a_change(sources: Path, settings: Any) -> None:
    assert (gather_static_files(), gather_static_files()) == (True, False)
    first = named(settings.STATIC_ROOT)
    (sources / "one.css").write_text("body { color: blue }")
    assert (gather_static_files(), gather_static_files()) == (True, False)
    assert named(settings.STATIC_ROOT) != first
    assert (settings.STATIC_ROOT / first).exists(), "who still has the page of before finds its stylesheet"


def test_of_two_that_start_at_once_one_gathers(sources: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda _: gather_static_files(), range(2))) == [False, True]
