"""``keiken licenses``: what your organization may use and until when, and what it has ordered."""

from __future__ import annotations

from datetime import datetime

import click
from rich.table import Table

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal
from keiken.client import saved_login
from keiken.client.shapes import Grant
from keiken.i18n import _


@click.command("licenses", cls=Command, help=_("The licenses and orders of your organization."))
@pass_terminal
def command(terminal: Terminal) -> None:
    with saved_login().client() as client:
        grants, orders = client.grants(), client.orders()
    licenses = Table(_("license of"), _("state"), _("until"), _("for"), _("used"), title_justify="left")
    for grant in grants:
        licenses.add_row(grant.experience, grant.state, _date(grant.ends_at), ", ".join(grant.uses), _used(grant))
    ordered = Table(_("order"), _("of"), _("state"), _("total"), title_justify="left")
    for order in orders:
        ordered.add_row(str(order.number), order.experience, order.state, order.total)
    terminal.answer(
        {"licenses": [grant.as_json() for grant in grants], "orders": [order.as_json() for order in orders]},
        *([licenses] if grants else [_("No licenses yet. Find something: 'keiken search WORDS --fits'.")]),
        *([ordered] if orders else []),
    )


def _used(grant: Grant) -> str:
    """Seats and this month's counted replays against what there is."""
    parts = []
    if grant.seats is not None:
        parts.append(_("{taken} of {all} seats").format(taken=len(grant.seats_taken), all=grant.seats))
    if grant.replays_quota is not None:
        parts.append(
            _("{counted} of {all} replays this month").format(counted=grant.replays_counted, all=grant.replays_quota)
        )
    elif grant.replays_counted:
        parts.append(_("{counted} replays this month").format(counted=grant.replays_counted))
    return ", ".join(parts)


def _date(moment: datetime | None) -> str:
    return str(moment.date()) if moment else _("until it is revoked")
