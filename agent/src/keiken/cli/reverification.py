"""``keiken reverification``: when your organization's experiences are proven again, for all of them or for a topic."""

from __future__ import annotations

from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.terminal import Terminal, table
from keiken.client import saved_login
from keiken.client.proof_shapes import ReverificationAnswer, ReverificationRules
from keiken.errors import UsageError
from keiken.i18n import _


@click.command(
    "reverification",
    cls=Command,
    help=_("Show when your organization's experiences are proven again; with an option, ask for more (owners)."),
)
@click.option("--topic", default="", metavar="TOPIC", help=_("For experiences of this topic instead of all."))
@click.option("--max-age-days", type=int, help=_("So many days a proof counts."))
@click.option("--diverging-reports", type=int, help=_("So many failed reports from the field ask for a new proof."))
@click.option("--request-minutes", type=int, help=_("So long between two proofs that are asked for by hand."))
@click.option("--on-environment-change", is_flag=True, help=_("Prove again when an environment has changed."))
@click.option("--on-new-environment", is_flag=True, help=_("Also try it in environments that it does not name."))
@click.option("--clear", is_flag=True, help=_("Ask for nothing more there than the marketplace does by itself."))
@pass_terminal
def command(terminal: Terminal, /, topic: str, clear: bool, **wanted: Any) -> None:
    login = saved_login()
    if not login.organization:
        raise UsageError(
            "organization_missing",
            _("Your key belongs to no organization, and policies are those of organizations."),
            _("Sign in with a key of your organization."),
        )
    wish = {name: value for name, value in wanted.items() if value not in (None, False)}
    if clear and wish:
        raise UsageError(
            "reverification_one_thing",
            _("'--clear' and asking for something are two different things."),
            _("Use one of them."),
        )
    with login.client() as client:
        if clear or wish:
            answer = client.set_reverification(login.organization, {"topic": topic, **wish})
        else:
            answer = client.reverification(login.organization)
    terminal.answer(answer.as_json(), _shown(answer))


def _shown(answer: ReverificationAnswer) -> Any:
    columns = ["", _("proof counts"), _("failed reports"), _("environment changed"), _("new environment"), _("by hand")]
    rows = [_row(_("everything here"), answer.site)]
    rows += [_row(row.topic or _("all your experiences"), row) for row in answer.policies]
    return table(columns, rows)


def _row(name: str, rules: ReverificationRules) -> tuple[str, ...]:
    return (
        name,
        "–" if rules.max_age_days is None else _("{n} d").format(n=rules.max_age_days),
        "–" if rules.diverging_reports is None else str(rules.diverging_reports),
        _("yes") if rules.on_environment_change else "–",
        _("yes") if rules.on_new_environment else "–",
        "–" if rules.request_minutes is None else _("every {n} min").format(n=rules.request_minutes),
    )
