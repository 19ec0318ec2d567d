"""``keiken publish``: send a package to the marketplace, which then proves it."""

from __future__ import annotations

from pathlib import Path

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.packages import opened, refuse_errors
from keiken.cli.terminal import Terminal
from keiken.client import saved_login
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.package import pack, review


@click.command("publish", cls=Command, help=_("Publish a package folder, or an archive made by 'keiken pack'."))
@click.argument("path", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--visibility",
    type=click.Choice(["public", "organization"]),
    help=_("Who may see it. Left out, it stays as it is; a new one is public."),
)
@pass_terminal
def command(terminal: Terminal, path: Path, visibility: str | None) -> None:
    login = saved_login()
    if not login.organization:
        raise UsageError(
            "organization_missing",
            _("Your key belongs to no organization, and experiences are published by organizations."),
            _("Sign in with a key of your organization."),
        )
    with opened(path) as package:
        refuse_errors(review(package))
        archive = path.read_bytes() if path.is_file() else pack(path)
    shown = _("publishing {name}@{version}").format(name=package.manifest.name, version=package.manifest.version)
    with terminal.working(shown), login.client() as client:
        version, created = client.publish(login.organization, archive, visibility=visibility)
    reference = f"{version.organization}/{version.name}@{version.version}"
    said = _("Published {reference}.") if created else _("{reference} was published before; these are the same bytes.")
    terminal.answer(
        {**version.as_json(), "created": created},
        said.format(reference=reference),
        f"  {version.digest}",
        _("See how its proof goes: keiken show {reference}").format(reference=reference),
    )
