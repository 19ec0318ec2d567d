"""Packages made for one test, and real replays of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from sandboxes import debian, driver

from keiken.package import Package, Skill
from keiken.package.manifest import Manifest
from keiken.replay.engine import replay
from keiken.replay.prove import prove
from keiken.replay.report import Report, ScenarioVerdict
from keiken.replay.request import Replay
from keiken.sandbox.protocol import Limits, Sandbox

NAME = "sample-experience"
SKILL = f"---\nname: {NAME}\ndescription: A sample for tests.\nlicense: Apache-2.0\n---\n\n# Sample\n"
COMMANDS = ["base64", "cat", "chmod", "cp", "echo", "env", "false", "mkdir", "mv", "od", "printf", "python3", "rev",
            "rm", "setsid", "sleep", "tee", "touch", "true"]  # fmt: skip


def package(folder: Path, *, files: Mapping[str, str] | None = None, **manifest: Any) -> Package:
    """A package with the given manifest fields; permissions are wide unless given.

    Made without the checks of ``load``, so that the replayer is seen to hold on its own.
    """
    place = folder / NAME
    place.mkdir(parents=True, exist_ok=True)
    fields = {
        "experience": "1",
        "name": NAME,
        "version": "1.0.0",
        "title": "A sample",
        "license": "Apache-2.0",
        "permissions": {"commands": COMMANDS},
        **manifest,
    }
    (place / "experience.yaml").write_text(yaml.safe_dump(fields, allow_unicode=True, sort_keys=False))
    (place / "SKILL.md").write_text(SKILL)
    for path, content in (files or {}).items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(content)
    skill = Skill(name=NAME, description="A sample for tests.", license="Apache-2.0", body="# Sample\n", metadata={})
    sizes = {path: len(content.encode()) for path, content in (files or {}).items()}
    return Package(folder=place, manifest=Manifest.model_validate(fields), skill=skill, files=sizes)


def opener(made: Package, *, opened: list[Sandbox] | None = None, **limits: Any) -> Any:
    """A factory of real sandboxes over the package; what it opened is put into ``opened``."""

    def open_sandbox() -> Sandbox:
        sandbox = driver().open(
            environment=debian(),
            package=made.folder,
            commands=made.manifest.permissions.commands,
            network=made.manifest.permissions.network,
            limits=Limits(**limits),
        )
        if opened is not None:
            opened.append(sandbox)
        return sandbox

    return open_sandbox


def replayed(made: Package, *, limits: Mapping[str, Any] | None = None, **request: Any) -> Report:
    request.setdefault("executor", opener(made, **(limits or {})))
    request.setdefault("facts", dict(debian().facts))
    return replay(Replay(package=made, **request))


def proven(made: Package, index: int = 0, **options: Any) -> ScenarioVerdict:
    return prove(made, made.manifest.scenarios[index], driver=driver(), environment=debian(), **options)
