"""``keiken sandbox``: does confinement work on this machine, and if not, what is missing."""

from __future__ import annotations

from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal, table, word
from keiken.i18n import _
from keiken.sandbox import Capability, drivers


@click.command("sandbox", cls=Command, help=_("Test the sandboxes of this machine: what must be refused is tried out."))
@pass_terminal
def command(terminal: Terminal) -> int:
    with terminal.working(_("trying what must be refused")):
        found = [driver.probe() for driver in drivers().values()]
    works = any(capability.working for capability in found)
    shown: list[Any] = []
    for capability in found:
        shown += _about(capability)
    terminal.answer({"working": works, "drivers": [_document(capability) for capability in found]}, *shown)
    return 0 if works else 3


def _document(capability: Capability) -> dict[str, Any]:
    return {
        "driver": capability.driver,
        "working": capability.working,
        "isolation": capability.isolation,
        "limits_enforced": capability.limits_enforced,
        "problem": capability.problem,
        "advice": capability.advice,
        "self_test": dict(capability.self_test),
    }


def _about(capability: Capability) -> list[Any]:
    state = _("works") if capability.working else _("does not work")
    limits = _("limits enforced") if capability.limits_enforced else _("memory and CPU only bounded per process")
    lines: list[Any] = [f"{capability.driver}: {state} · {capability.isolation} · {limits}"]
    if capability.self_test:
        lines.append(table([_("tried"), _("result")], [(k, word(v)) for k, v in capability.self_test.items()]))
    return [*lines, *(text for text in (capability.problem, capability.advice) if text)]
