"""What one version does, in the words of the pages: steps, permissions, parameters, conditions, how to replay it.

All of it is shown to everybody who sees the experience: whoever cannot read what a procedure will do to a machine
cannot decide to let it. What is licensed is the package itself, what its replays left behind, and the runbook.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings

from experiences.models import Version
from keiken.conditions import match, parse
from marketplace import wording
from marketplace.skill import render_skill

Status = Literal["holds", "fails", "unknown", ""]


@dataclass(frozen=True, slots=True)
class ConditionTag:
    """One condition; ``status`` is empty while no facts are known to hold it against."""

    text: str
    status: Status = ""
    found: Any = None


def procedure(version: Version, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The context of ``marketplace/_procedure.html``; ``fit`` is None without facts."""
    manifest = version.manifest
    tags = condition_tags(manifest, facts)
    return {
        "skill_html": render_skill(str(version.skill.get("body", "")), str(manifest.get("title", ""))),
        "steps": list(steps_shown(manifest.get("steps") or [])),
        "undo": list(steps_shown(manifest.get("undo") or [])),
        "invariants": manifest.get("invariants") or [],
        "permissions": wording.permission_lines(manifest),
        "parameters": wording.parameters(manifest),
        "conditions": tags,
        "fit": fit_of(tags) if facts is not None else None,
    }


def condition_tags(manifest: Mapping[str, Any], facts: Mapping[str, Any] | None) -> list[ConditionTag]:
    conditions = parse(manifest.get("conditions") or {})
    if facts is None:
        return [ConditionTag(condition.text()) for condition in conditions]
    found = match(conditions, facts).findings
    return [ConditionTag(item.condition.text(), item.status, item.found) for item in found]


def fit_of(tags: Iterable[ConditionTag]) -> Status:
    """One condition that fails decides, then one that is unknown."""
    states = {tag.status for tag in tags}
    return "fails" if "fails" in states else "unknown" if "unknown" in states else "holds"


def steps_shown(steps: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for step in steps:
        yield {
            **step,
            "kind": wording.step_kind(step),
            "command": wording.step_command(step),
            "env": list((step.get("env") or {}).items()),
        }


def example_values(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each parameter that must be given: its first example, else what a scenario gives it."""
    found: dict[str, Any] = {}
    scenarios = [scenario.get("parameters") or {} for scenario in manifest.get("scenarios") or []]
    for name, schema in (manifest.get("parameters") or {}).items():
        if "default" in schema:
            continue
        examples = [*(schema.get("examples") or []), *(given[name] for given in scenarios if name in given), "…"]
        found[name] = examples[0]
    return found


def replay_commands(version: Version, *, is_sold: bool) -> list[str]:
    """What to type, in this order, on a machine that has the ``keiken`` command and an API key.

    ``is_sold``: a license is only to be had for money.
    """
    name = str(version.experience)
    given = [f"-p {shlex.quote(f'{key}={_as_text(value)}')}" for key, value in example_values(version.manifest).items()]
    return [
        f"keiken login --server {settings.KEIKEN.site_url.rstrip('/')}",
        f"keiken {'buy' if is_sold else 'accept'} {name}",
        f"keiken pull {name}@{version.version}",
        " ".join([f"keiken replay {name}@{version.version}", *given]),
        "keiken report",
    ]


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


PYTHON = """\
from pathlib import Path
from tempfile import TemporaryDirectory

from keiken.client import Reference, count_replay, pins, pull, require_license, saved_login
from keiken.package import unpack
from keiken.package.watermark import original
from keiken.replay.request import Replay
from keiken.replay.engine import replay
from keiken.sandbox import Limits, environments, working_driver

login = saved_login()  # what 'keiken login' has kept
with login.client() as market:
    keys = pins().accept(market.server, [key.as_json() for key in market.signing_keys()])
    pulled, claims = pull(market, Reference.parse("{reference}"), keys=keys)
license = require_license(login, pulled.reference, keys) if pulled.is_licensed else None

place = environments.get("local")
with TemporaryDirectory() as folder:
    package = unpack(original(pulled.archive.read_bytes()), Path(folder) / "package")
    allowed = package.manifest.permissions
    report = replay(
        Replay(
            package=package,
            facts=place.facts,
            parameters={parameters},
            reference="{name}",
            executor=lambda: working_driver().open(
                environment=place,
                package=package.folder,
                commands=allowed.commands,
                network=allowed.network,
                limits=Limits(),
            ),
        )
    )
if license is not None and report.outcome == "succeeded":
    count_replay(license, replay_id=report.replay_id, version=report.version, digest=report.digest)
print(report.outcome, report.result)
"""


def replay_in_python(version: Version) -> str:
    """A program that pulls the version, checks it and replays it in a sandbox with the ``keiken`` library."""
    name = str(version.experience)
    values = {"reference": f"{name}@{version.version}", "name": name, "parameters": example_values(version.manifest)}
    text = PYTHON
    for key, value in values.items():
        text = text.replace("{" + key + "}", value if isinstance(value, str) else repr(value))
    return text
