"""``keiken login``: save a key for a marketplace and pin what it signs with."""

from __future__ import annotations

import os

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.client import Client, Login, pins, save_login, server_address
from keiken.client.logins import check_key
from keiken.client.references import is_loopback
from keiken.errors import Refused, UsageError
from keiken.i18n import _
from keiken.trust import PublicKey

KEY_VARIABLE = "KEIKEN_API_KEY"


@click.command(
    "login",
    cls=Command,
    help=_("Sign in to a marketplace with an API key, which is read from KEIKEN_API_KEY or asked for."),
)
@click.option("--server", required=True, metavar="URL", help=_("The address of the marketplace."))
@click.option("--key", help=_("The key itself. Others on this machine may see it: rather let yourself be asked."))
@click.option("--allow-http", is_flag=True, help=_("Send the key over an unencrypted connection."))
@pass_terminal
def command(terminal: Terminal, server: str, key: str | None, allow_http: bool) -> None:
    address = server_address(server)
    if address.startswith("http://") and not is_loopback(address) and not allow_http:
        raise Refused(
            "connection_unencrypted",
            _("{server} is not encrypted, so everybody on the way could read the key.").format(server=address),
            _("Use its https address, or --allow-http inside a network you trust."),
        )
    api_key = check_key(key or os.environ.get(KEY_VARIABLE) or _asked(terminal, address))
    with terminal.working(_("signing in to {server}").format(server=address)), Client(address, api_key) as client:
        me = client.me()
        pinned = pins().accept(client.server, [offered.as_json() for offered in client.signing_keys()])
    organization = me.organization.slug if me.organization else ""
    save_login(Login(client.server, api_key, organization, me.principal.name))
    document = {**me.as_json(), "server": client.server, "pinned_keys": [pin.key_id for pin in pinned]}
    terminal.answer(
        document,
        _("Signed in to {server} as {name} of {organization}.").format(
            server=client.server, name=me.principal.name, organization=organization or _("no organization")
        ),
        _pinned(pinned),
    )


def _asked(terminal: Terminal, server: str) -> str:
    key = terminal.secret(_("API key for {server}").format(server=server))
    if key is None:
        raise UsageError(
            "key_missing",
            _("There is no API key, and nobody to ask for it."),
            _("Set {variable}; the marketplace's site makes keys under your organization.").format(
                variable=KEY_VARIABLE
            ),
        )
    return key


def _pinned(pinned: list[PublicKey]) -> str:
    if not pinned:
        return _("It has no signing key yet, so none was pinned.")
    return _("Its statements are trusted when signed with: {keys}").format(
        keys=", ".join(pin.key_id[:16] for pin in pinned)
    )
