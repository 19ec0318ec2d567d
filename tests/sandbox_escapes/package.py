"""Attacks written down as experience packages, and proven through the product's own engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from keiken.package import Package, load
from keiken.replay.prove import prove
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import environments
from keiken.sandbox.egress.leave import WithLeave
from keiken.sandbox.protocol import Capability, Driver, Limits, Sandbox
from tests.sandbox_escapes.attack import Attack, Outside, Place, Probe, Seen
from tests.sandbox_escapes.prelude import PRELUDE

STEPS = ["scripts/attempt.pl", "scripts/then.pl"]
LIMITS = {"wall_seconds": 20, "memory_mib": 96, "pids": 32, "work_mib": 8, "work_inodes": 600, "file_mib": 8}
SKILL = """---
name: {name}
description: Tries to break out of its sandbox ({name}).
license: Apache-2.0
---

# What it tries

See scripts/attempt.pl.
"""


def write_files(attack: Attack, folder: Path) -> None:
    """The attack's scripts and files, the same inside and bare."""
    for name, text in zip(STEPS, (attack.script, attack.then), strict=True):
        if text:
            _put(folder / name, (PRELUDE + text).encode())
    for name, content in attack.files.items():
        _put(folder / name, content)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


def manifest(attack: Attack, place: Place, env: Mapping[str, str]) -> dict[str, Any]:
    name = attack.name.replace("_", "-")
    scripts = STEPS[: 2 if attack.then else 1]
    return {
        "experience": "1",
        "name": name,
        "version": "1.0.0",
        "title": f"An attack: {attack.name}",
        "license": "Apache-2.0",
        "permissions": {
            "commands": list(attack.commands),
            "write": ["work/**"],
            "network": [pattern.format_map(env) for pattern in attack.network],
        },
        "steps": [
            {
                "id": step_id,
                "run": ["perl", script, place.marker],
                "env": {"MARKER": place.marker, **env},
                "timeout_seconds": attack.seconds,
                "outputs": dict(attack.outputs),
            }
            for step_id, script in zip(("attempt", "then"), scripts, strict=False)
        ],
        "scenarios": [{"name": "contained", "expect": list(attack.expect)}],
    }


def package(attack: Attack, place: Place, env: Mapping[str, str]) -> Package:
    """A real package of the attack, checked by the product as it would be on publishing."""
    fields = manifest(attack, place, env)
    folder = place.folder / fields["name"]
    write_files(attack, folder)
    (folder / "experience.yaml").write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    (folder / "SKILL.md").write_text(SKILL.format(name=fields["name"]), encoding="utf-8")
    return load(folder)


class _Probing:
    """The driver, whose sandboxes are read back from just before they settle."""

    def __init__(self, driver: Driver, probe: Probe) -> None:
        self._driver, self._probe = driver, probe
        self.name = driver.name
        self.heard: list[str] = []

    def probe(self) -> Capability:
        return self._driver.probe()

    def open(self, **wanted: Any) -> Sandbox:
        sandbox = self._driver.open(**wanted)
        settle = sandbox.settle

        def probe_and_settle() -> None:
            if not self.heard:
                self.heard.append(self._probe(lambda path: sandbox.read(path).content or b""))
            settle()

        sandbox.settle = probe_and_settle  # type: ignore[method-assign]
        return sandbox


def attempt(attack: Attack, driver: Driver, place: Place, outside: Outside) -> tuple[ScenarioVerdict, Seen]:
    """Prove the attack's scenario in the driver's sandbox: the verdict, and all that came back."""
    made = package(attack, place, outside.env)
    probing = _Probing(WithLeave(driver, attack.egress) if attack.egress else driver, attack.probe)
    verdict = prove(
        made,
        made.manifest.scenarios[0],
        driver=probing,
        environment=environments.get_or_local("debian-12"),
        limits=Limits(**{**LIMITS, **attack.limits}),
    )
    text = told(verdict) + "".join(probing.heard)
    return verdict, Seen(text=text, outside=outside, reached=outside.evidence(), verdict=verdict.verdict)


def told(verdict: ScenarioVerdict) -> str:
    """Everything a report says of what happened, but not what the package says of itself; values as they are stored."""
    report = verdict.report
    values = [report.result, *(step.outputs for step in report.steps)]
    halves = [c for value in values for c in json.dumps(value, ensure_ascii=False) if "\ud800" <= c <= "\udfff"]
    words = [verdict.reason, report.reason, json.dumps(values), *halves]
    for step in report.steps:
        words += [step.stdout, step.stderr, step.reason, *step.changed]
    words += [check.detail for step in report.steps for check in step.checks] + [c.detail for c in report.checks]
    return "\n".join(words)
