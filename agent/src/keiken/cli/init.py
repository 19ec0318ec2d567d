"""``keiken init``: a package to start from."""

from __future__ import annotations

import re
from pathlib import Path

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.package.manifest import NAME_PATTERN
from keiken.record import init


@click.command("init", cls=Command, help=_("Make a small package that works, to start from."))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", default="", metavar="NAME", help=_("Its name; the folder's name otherwise."))
@click.option("--title", default="", help=_("What it does, in a few words."))
@pass_terminal
def command(terminal: Terminal, folder: Path, name: str, title: str) -> None:
    wanted = name or folder.absolute().name
    if not re.match(NAME_PATTERN, wanted) or len(wanted) > 64:
        raise UsageError(
            "name_invalid",
            _("'{name}' is no name of a package.").format(name=wanted),
            _("Use small letters, digits and single hyphens, as in rotate-keys: --name rotate-keys."),
        )
    package = init(folder=folder, name=wanted, title=title)
    document = {
        "folder": str(folder.absolute()),
        "name": package.manifest.name,
        "version": package.manifest.version,
        "files": sorted(package.files),
    }
    said = _("{folder} is ready. Change it to what you do, then: keiken check {folder}")
    terminal.answer(document, said.format(folder=folder))
