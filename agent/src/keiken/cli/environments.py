"""``keiken environments``: the root file systems that experiences are proven and replayed in."""

from __future__ import annotations

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
    rows = [row for row in environments.available() if row.name != environments.LOCAL]
    every = [row.name for row in rows if (row.built if built_only else not row.on_request)]
    return list(names) or every


@command.command("build", help=_("Build the named environments, or all but the large ones; what is built is kept."))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help=_("The large ones as well."))
@pass_terminal
def build_command(terminal: Terminal, names: tuple[str, ...], every: bool) -> None:
    if every:
        names = tuple(row.name for row in environments.available() if row.name != environments.LOCAL)
    wanted = _named(names, built_only=False)
    with terminal.working(_("building {name}").format(name=", ".join(wanted))) as working:
        made = environments.build_each(wanted, working.update)
    built = [{"name": one.name, "digest": one.digest} for one in made]
    terminal.answer({"environments": built}, table([_("environment"), _("digest")], [tuple(i.values()) for i in built]))


@command.command("probe", help=_("Ask built environments from inside what they are: their facts."))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@pass_terminal
def probe_command(terminal: Terminal, names: tuple[str, ...]) -> None:
    probed = []
    for name in _named(names, built_only=True):
        with terminal.working(_("asking {name}").format(name=name)):
            probed.append(environments.probe(name))
    document = {"environments": [{"name": one.name, "digest": one.digest, "facts": dict(one.facts)} for one in probed]}
    shown = [(one.name, fact, str(value)) for one in probed for fact, value in sorted(one.facts.items())]
    terminal.answer(document, table([_("environment"), _("fact"), _("value")], shown))


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
