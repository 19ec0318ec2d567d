"""``keiken pack``: a folder becomes an archive, the same bytes every time."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.package import digest, load, pack


@click.command("pack", cls=Command, help=_("Pack a package folder into the archive that is published."))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help=_("The file to write; NAME-VERSION.tar.gz in the working folder otherwise."),
)
@pass_terminal
def command(terminal: Terminal, folder: Path, out: Path | None) -> None:
    archive = pack(folder)
    manifest = load(folder).manifest
    target = out or Path(f"{manifest.name}-{manifest.version}.tar.gz")
    _write(target, archive)
    document = {
        "name": manifest.name,
        "version": manifest.version,
        "file": str(target.absolute()),
        "digest": digest(archive),
        "size_bytes": len(archive),
    }
    terminal.answer(document, f"{target}  {digest(archive)}")


def _write(target: Path, archive: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(archive)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise KeikenError(
            "disk_trouble",
            _("{path} cannot be written: {why}.").format(path=target, why=error.strerror),
            _("Make room, or name another file with --out."),
        ) from error
