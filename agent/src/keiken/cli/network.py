"""Asking a person whether a sandbox may reach what a package declares."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from keiken.cli.terminal import Terminal, heading, plain, table
from keiken.errors import Refused, UsageError
from keiken.i18n import _
from keiken.package import Package
from keiken.sandbox.protocol import Egress


def egress_of(addresses: Sequence[str]) -> Egress:
    """What is allowed once the person says yes. Raises UsageError for what is no address."""
    found = set()
    for text in addresses:
        try:
            found.add(str(ipaddress.ip_address(text.strip("[]"))))
        except ValueError as trouble:
            raise UsageError(
                "address_invalid",
                _("'{text}' is no IP address.").format(text=text),
                _("Write for example --allow-address 192.168.1.20."),
            ) from trouble
    return Egress(addresses=frozenset(found))


def show_network(terminal: Terminal, package: Package, egress: Egress) -> None:
    """The hosts it declares, and which inner addresses were allowed besides."""
    rows = [(plain(pattern),) for pattern in package.manifest.permissions.network]
    lines: list[Any] = [heading(_("From its sandbox it wants to reach:")), table([_("host and port")], rows)]
    if egress.addresses:
        lines.append(_("Allowed of inner networks: {addresses}").format(addresses=", ".join(sorted(egress.addresses))))
    terminal.show(*lines)


def consent(terminal: Terminal, question: str, refusal: str, *, yes: bool) -> None:
    """Raises Refused ``confirmation_missing`` with this refusal where nobody can be asked, or
    ``confirmation_declined``.
    """
    if yes:
        return
    answer = terminal.confirm(question)
    if answer is None:
        raise Refused("confirmation_missing", refusal, _("Look at the plan, then run it again with --yes."))
    if not answer:
        raise Refused("confirmation_declined", _("You said no."), _("Nothing was touched."))
