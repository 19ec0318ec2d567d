"""``keiken init``: a package to start from."""

from __future__ import annotations

from pathlib import Path

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.packages import package_name
from keiken.cli.terminal import Terminal
from keiken.i18n import _
from keiken.record import init


@click.command("init", cls=Command, help=_("Make a small package that works, to start from."))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", default="", metavar="NAME", help=_("Its name; the folder's name otherwise."))
@click.option("--title", default="", help=_("What it does, in a few words."))
@pass_terminal
def command(terminal: Terminal, folder: Path, name: str, title: str) -> None:
    wanted = package_name(name or folder.absolute().name)
    package = init(folder=folder, name=wanted, title=title)
    document = {
        "folder": str(folder.absolute()),
        "name": package.manifest.name,
        "version": package.manifest.version,
        "files": sorted(package.files),
    }
    said = _("{folder} is ready. Change it to what you do, then: keiken check {folder}")
    terminal.answer(document, said.format(folder=folder))
