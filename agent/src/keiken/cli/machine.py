"""This machine and its environments, as the commands need them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keiken.cli.terminal import Terminal
from keiken.conditions import probe
from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.package import Package
from keiken.paths import config_dir
from keiken.sandbox import environments
from keiken.sandbox.protocol import Environment

EXTRA_FILE = "keiken-facts.yaml"
HOST = "host"
"""The name of the environment of ``keiken.sandbox.host``, which must not be imported without need."""


def machine_facts(*, tools: Iterable[str] = (), extra: Path | None = None) -> dict[str, Any]:
    """The facts of this machine. Raises UsageError for a bad file of extra facts.

    Without ``extra`` only the settings folder is looked into: a file that happens to lie in the working folder could
    name commands, and nobody asked to run those.
    """
    kept = config_dir() / EXTRA_FILE
    return probe(tools=tools, extra_file=extra or (kept if kept.exists() else None))


def tools_of(package: Package) -> list[str]:
    """The tools that its conditions speak of."""
    return [key.removeprefix("tool.") for key in package.manifest.conditions if key.startswith("tool.")]


def environment_named(name: str, terminal: Terminal, *, falls_back: bool = False) -> Environment:
    """The environment, built now if it must be. With ``falls_back``, ``local`` where it cannot be built.

    Raises SandboxUnavailable, or UsageError for an unknown name.
    """
    is_built = {row.name: row.built for row in environments.available()}
    if is_built.get(name, True):
        return environments.get(name)
    try:
        with terminal.working(_("building the environment {name}").format(name=name)) as working:
            return environments.build(name, working.update)
    except SandboxUnavailable as unavailable:
        if not falls_back or unavailable.code != "environment_not_buildable":
            raise
        terminal.note(
            _("{name} cannot be built here, so this is done in 'local': {why}").format(
                name=name, why=unavailable.message
            )
        )
        return environments.get(environments.LOCAL)


def facts_in(environment: Environment, package: Package, extra: Path | None = None) -> dict[str, Any]:
    """The facts where a replay happens; on the machine's own files what only the machine can tell is added."""
    inside = dict(environment.facts)
    is_here = environment.name in (environments.LOCAL, HOST)
    if not is_here or (extra is None and package.manifest.conditions.keys() <= inside.keys()):
        return inside
    return {**machine_facts(tools=tools_of(package), extra=extra), **inside}
