"""``keiken environments``: the root file systems that experiences are proven and replayed in."""

from __future__ import annotations

from typing import Any

import click

from keiken.cli.command import Group, pass_terminal
from keiken.cli.terminal import Terminal, table
from keiken.i18n import _
from keiken.sandbox import environments


@click.group("environments", cls=Group, help=_("List, build and verify the environments of sandboxes."))
def command() -> None:
    """The group itself does nothing."""


@command.command("list", help=_("List what can be built and what is built."))
@pass_terminal
def list_command(terminal: Terminal) -> None:
    rows = environments.available()
    document = {
        "environments": [
            {"name": row.name, "description": row.description, "built": row.built, "digest": row.digest} for row in rows
        ]
    }
    shown = [(row.name, _("built") if row.built else "—", row.digest[:19], row.description) for row in rows]
    terminal.answer(document, table([_("environment"), _("state"), _("digest"), _("what it is")], shown))


def _named(names: tuple[str, ...], *, built_only: bool) -> list[str]:
    every = [row.name for row in environments.available() if row.built or not built_only]
    return list(names) or [name for name in every if name != environments.LOCAL]


@command.command("build", help=_("Build the named environments, or all of them; what is built is kept."))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@pass_terminal
def build_command(terminal: Terminal, names: tuple[str, ...]) -> None:
    built: list[dict[str, Any]] = []
    for name in _named(names, built_only=False):
        with terminal.working(_("building {name}").format(name=name)) as working:
            environment = environments.build(name, working.update)
        built.append({"name": name, "digest": environment.digest})
    terminal.answer({"environments": built}, table([_("environment"), _("digest")], [tuple(i.values()) for i in built]))


@command.command("verify", help=_("Read every file of the built environments and compare with their digests."))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@pass_terminal
def verify_command(terminal: Terminal, names: tuple[str, ...]) -> None:
    wanted = _named(names, built_only=True)
    for name in wanted:
        with terminal.working(_("reading {name}").format(name=name)):
            environments.verify(name)
    document = {"verified": wanted}
    terminal.answer(document, _("Unchanged: {names}").format(names=", ".join(wanted) or _("nothing is built")))
