"""``keiken facts``: what this machine is, as conditions see it."""

from __future__ import annotations

from pathlib import Path

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.machine import machine_facts
from keiken.cli.terminal import Terminal, table
from keiken.i18n import _


@click.command("facts", cls=Command, help=_("Show the facts of this machine that conditions are held against."))
@click.option("--tool", "tools", multiple=True, metavar="NAME", help=_("Also look for this tool (repeatable)."))
@click.option(
    "--extra",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("A keiken-facts.yaml with facts of your own; without it the one in the settings folder, if any."),
)
@pass_terminal
def command(terminal: Terminal, tools: tuple[str, ...], extra: Path | None) -> None:
    facts = machine_facts(tools=tools, extra=extra)
    shown = [(key, ", ".join(map(str, value)) if isinstance(value, list) else value) for key, value in facts.items()]
    rows = [(key, _("absent") if value is None else value) for key, value in shown]
    terminal.answer(facts, table([_("fact"), _("value")], rows))
