"""A package with other conditions, and the next version number: all else in experience.yaml stays as it was written."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from keiken.package import Package, load, pack

_CORE = re.compile(r"^(\d+)\.(\d+)\.(\d+)")


def next_version(version: str, direction: str) -> str:
    """Wider is a new feature, the next minor version; narrower mends what was promised and did not hold."""
    match = _CORE.match(version)
    assert match is not None, "a manifest's version is a SemVer"
    major, minor, patch = (int(part) for part in match.groups())
    return f"{major}.{minor + 1}.0" if direction == "wider" else f"{major}.{minor}.{patch + 1}"


def rewritten(package: Package, *, conditions: Mapping[str, Any], version: str) -> bytes:
    """The archive of the package with these conditions and this version. Raises PackageError.

    Every key of experience.yaml but these two keeps its value; comments of the publisher's are lost.
    """
    with tempfile.TemporaryDirectory(prefix="keiken-rewrite-") as parent:
        folder = Path(parent) / package.manifest.name
        for name in package.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(package.read(name))
            shutil.copymode(package.folder / name, folder / name)
        document = yaml.safe_load((folder / "experience.yaml").read_text(encoding="utf-8"))
        document["version"] = version
        document["conditions"] = dict(conditions)
        if not conditions:
            document.pop("conditions")
        text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)
        (folder / "experience.yaml").write_text(text, encoding="utf-8")
        load(folder)
        return pack(folder)
