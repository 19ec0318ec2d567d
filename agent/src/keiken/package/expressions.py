"""Where the expressions of a manifest stand, and what each of them names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keiken.package.manifest import Manifest, Step
from keiken.package.yaml import Path

SECRET = re.compile(r"^secrets\.([a-z][a-z0-9_]*)$")
FILLED = ("run", "env", "stdin", "http", "file", "ask")
"""The fields of a step in which values are filled in."""
_STRING = re.compile(r"""'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\"""", re.S)
_NAME = r"\s*\.\s*([A-Za-z_]\w*)"
_REFERENCE = re.compile(rf"(?<![\w.])(parameters|steps|secrets|result){_NAME}(?:\s*\.\s*outputs{_NAME})?")


@dataclass(frozen=True)
class Found:
    """An expression, where it stands, and which steps' outputs are there at that moment."""

    path: Path
    text: str
    steps: Mapping[str, Step] = field(default_factory=dict)
    result: frozenset[str] | None = None
    """The names below ``result``, where they are known."""


@dataclass(frozen=True)
class Text:
    """A text into which values are filled."""

    path: Path
    text: str
    steps: Mapping[str, Step]


def templates(text: str) -> tuple[list[str], bool]:
    """The expressions in ``${{ }}``, and whether every one is closed.

    Read by hand: a regular expression takes quadratic time over a text of nothing but ``${{``.
    """
    found: list[str] = []
    start = text.find("${{")
    while start >= 0:
        end = text.find("}}", start + 3)
        if end < 0:
            return found, False
        found.append(text[start + 3 : end].strip())
        start = text.find("${{", end + 2)
    return found, True


def references(expression: str) -> list[tuple[str, str, str]]:
    """What it names: root, name and (of a step) the output, as in ``('steps', 'key', 'fingerprint')``."""
    return _REFERENCE.findall(_STRING.sub("''", expression))


def checks(manifest: Manifest) -> Iterator[Found]:
    """Every expression that is not within ``${{ }}``."""
    everything = {step.id: step for step in [*manifest.steps, *manifest.undo]}
    for path, step, known in _steps(manifest):
        if step.when is not None:
            yield Found((*path, "when"), step.when, known)
        for group in ("requires", "expect"):
            yield from (Found((*path, group, n), text, known) for n, text in enumerate(getattr(step, group)))
        yield from (Found((*path, "outputs", name), text, known) for name, text in step.outputs.items())
    yield from (Found(("invariants", n), text, everything) for n, text in enumerate(manifest.invariants))
    yield from (Found(("result", name), text, everything) for name, text in manifest.result.items())
    names = frozenset(manifest.result)
    for index, scenario in enumerate(manifest.scenarios):
        path = ("scenarios", index)
        yield from (Found((*path, "expect", n), t, everything, names) for n, t in enumerate(scenario.expect))
        yield from (Found((*path, "services", n, "ready"), s.ready, {}) for n, s in enumerate(scenario.services))


def texts(manifest: Manifest) -> Iterator[Text]:
    """Every text in which ``${{ }}`` is filled in."""
    for path, step, known in _steps(manifest):
        data = step.model_dump(include=set(FILLED), exclude_none=True)
        yield from (Text(place, text, known) for place, text in _strings(data, path))
    for index, scenario in enumerate(manifest.scenarios):
        services = [service.model_dump(include={"run", "env"}) for service in scenario.services]
        path = ("scenarios", index, "services")
        yield from (Text(place, text, {}) for place, text in _strings(services, path))


def _steps(manifest: Manifest) -> Iterator[tuple[Path, Step, dict[str, Step]]]:
    """Every step with those whose outputs it may use: itself and those before it."""
    known: dict[str, Step] = {}
    for kind in ("steps", "undo"):
        for index, step in enumerate(getattr(manifest, kind)):
            known = {**known, step.id: step}
            yield (kind, index), step, known


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*path, index))
    elif isinstance(value, str):
        yield path, value
