"""``keiken facts``: what this machine is, as conditions see it."""

from __future__ import annotations

from pathlib import Path

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.machine import machine_facts
from keiken.cli.terminal import Terminal, table
from keiken.client import saved_login
from keiken.errors import UsageError
from keiken.i18n import _


@click.command("facts", cls=Command, help=_("Show the facts of this machine that conditions are held against."))
@click.option("--tool", "tools", multiple=True, metavar="NAME", help=_("Also look for this tool (repeatable)."))
@click.option(
    "--extra",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("A keiken-facts.yaml with facts of your own; without it the one in the settings folder, if any."),
)
@click.option(
    "--save", metavar="NAME", help=_("Keep them with your organization as an environment profile of this name.")
)
@click.option("--note", help=_("With --save: what the machine is for."))
@pass_terminal
def command(terminal: Terminal, tools: tuple[str, ...], extra: Path | None, save: str | None, note: str | None) -> None:
    if note is not None and save is None:
        raise UsageError("option_missing", _("--note goes with --save."), _("Name the profile: --save NAME."))
    login = saved_login() if save else None
    facts = machine_facts(tools=tools, extra=extra)
    shown = [(key, ", ".join(map(str, value)) if isinstance(value, list) else value) for key, value in facts.items()]
    rows = [(key, _("absent") if value is None else value) for key, value in shown]
    shown_facts = table([_("fact"), _("value")], rows)
    if login is None or not save:
        terminal.answer(facts, shown_facts)
        return
    with login.client() as client:
        profile, is_new = client.save_profile(login.organization, save, facts, note=note)
    said = _("Kept as the new profile {name}.") if is_new else _("The profile {name} has these facts now.")
    terminal.answer(profile.as_json(), shown_facts, said.format(name=profile.name))
