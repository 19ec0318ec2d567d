"""What a person sees of a replay: the plan before, each step as it goes, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.text import Text

from keiken.cli.terminal import Terminal, Working, heading, plain, table, word
from keiken.conditions import match, parse
from keiken.i18n import _
from keiken.package import Package
from keiken.replay.plan import plan
from keiken.replay.report import Report, StepRecord

SHOWN_CONNECTIONS = 50
MARKS = {"succeeded": ("✓", "green"), "skipped": ("–", "dim"), "diverged": ("✗", "red"), "failed": ("✗", "red")}


class Progress:
    """Tells of each step, and remembers them for a replay that is interrupted."""

    def __init__(self, working: Working, total: int) -> None:
        self._working = working
        self._total = total
        self.records: list[StepRecord] = []

    def __call__(self, what: str, record: StepRecord) -> None:
        label = f"{record.id}" + (f" · {record.title}" if record.title else "")
        if what == "started":
            self.records.append(record)
            self._working.update(
                _("step {n} of {total}: {label}").format(
                    n=len(self.records), total=max(self._total, len(self.records)), label=label
                )
            )
            return
        mark, style = MARKS.get(record.status, ("·", ""))
        self._working.line(
            Text.assemble((f"{mark} ", style), plain(label), (f"  {record.duration_seconds:.2f} s", "dim"))
        )


def show_plan(
    terminal: Terminal,
    package: Package,
    parameters: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    where: str,
    undo: bool,
) -> dict[str, Any]:
    """Show steps, permissions and conditions below the line ``where``, and give them as JSON.

    Raises Refused for parameters that may not be.
    """
    findings = match(parse(package.manifest.conditions), facts).findings
    found = [(f.condition.text(), word(f.status), "—" if f.found is None else f.found) for f in findings]
    permissions = package.manifest.permissions.model_dump()
    allowed = [(name, ", ".join(value) or _("nothing")) for name, value in permissions.items()]
    manifest = package.manifest
    done = replace(package, manifest=manifest.model_copy(update={"steps": manifest.undo})) if undo else package
    planned = plan(done, parameters, facts)
    steps = [(step["id"], step["action"], step["command"], step["title"]) for step in planned]
    terminal.show(
        heading(where.format(name=package.manifest.name, version=package.manifest.version)),
        table([_("step"), _("action"), _("what is done"), ""], steps),
        "",
        table([_("permission"), _("to")], allowed),
        "",
        table([_("condition"), _("status"), _("found")], found),
    )  # fmt: skip
    return {
        "steps": planned,
        "permissions": permissions,
        "conditions": [{"condition": f.condition.text(), "status": f.status, "found": f.found} for f in findings],
    }


def shown(report: Report) -> list[Any]:
    """How it ended."""
    lines: list[Any] = []
    if report.code == "condition_unmet":
        rows = [
            (record.condition, word(record.status), "—" if record.found is None else record.found)
            for record in report.conditions
        ]
        lines += [table([_("condition"), _("status"), _("found")], rows)] if rows else []
    lines += _stopped(report)
    for name, value in report.result.items():
        lines.append(f"{name}: {value}")
    lines += _network(report)
    where = report.executor
    place = _(" in {environment} ({driver}, {isolation})").format(**where.model_dump()) if where else ""
    lines.append(
        Text.assemble(word(report.outcome), f" {plain(report.experience)}@{plain(report.version)}{plain(place)}")
    )
    lines += [text for text in (report.reason, report.advice) if text]
    if report.undo:
        done = ", ".join(f"{record.id} {record.status}" for record in report.undo)
        lines.append(_("Undone: {steps}").format(steps=done))
    return lines


def _network(report: Report) -> list[Any]:
    """What it asked of the network from its sandbox, let through or not."""
    rows = [
        (
            one.step,
            f"{one.method} {one.host}:{one.port}" if one.host else "—",
            one.address or "—",
            word(one.code) if one.code else _("let through"),
            one.count,
        )
        for one in report.network[:SHOWN_CONNECTIONS]
    ]
    return [table([_("step"), _("network"), _("address"), _("result"), _("times")], rows)] if rows else []


def _stopped(report: Report) -> list[Any]:
    """The step that stopped it: what was done, what it printed, which checks do not hold."""
    for record in report.steps:
        if record.status in ("diverged", "failed"):
            said = (record.stderr or record.stdout).strip()
            failing = [
                f"✗ {c.expression}" + (f"  ({c.detail})" if c.detail else "") for c in record.checks if not c.holds
            ]
            return [
                heading(f"{record.id}: {record.command}"),
                *([Text(plain(said), style="dim")] if said else []),
                *failing,
            ]
    return [f"✗ {check.expression}  {check.detail}" for check in report.checks if not check.holds]
