"""``keiken show``: one experience, what it needs, does and may touch, and how it was proven."""

from __future__ import annotations

from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.search import rating
from keiken.cli.show_evidence import answer_evidence
from keiken.cli.show_follow import follow_verifications
from keiken.cli.terminal import Terminal, heading, table, word
from keiken.client import Reference, saved_login
from keiken.client.proof_shapes import Version
from keiken.client.shapes import ListingDetail
from keiken.errors import UsageError
from keiken.i18n import _


@click.command("show", cls=Command, help=_("Show an experience, or one version of it with its verdicts."))
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option(
    "--evidence",
    metavar="[ENVIRONMENT]",
    is_flag=False,
    flag_value="",
    help=_("What each step of the last verification did: in every environment, or in the one named."),
)
@click.option(
    "--follow",
    is_flag=True,
    help=_("Watch the verifications of the version until each has its verdict; with --json one document on each line."),
)
@pass_terminal
def command(terminal: Terminal, reference: str, evidence: str | None, follow: bool) -> int | None:
    wanted = Reference.parse(reference)
    if follow and evidence is not None:
        raise UsageError(
            "show_one_thing",
            _("'--follow' and '--evidence' are two different things."),
            _("Follow first; when the verdict is there, ask for the evidence."),
        )
    with saved_login().client() as client:
        if follow:
            exact = wanted.at(client.version(wanted).version)
            return follow_verifications(terminal, exact, client.progress)
        if evidence is not None:
            exact = wanted.at(client.version(wanted).version)
            answer_evidence(terminal, exact, client.evidence(exact, evidence))
            return None
        detail = client.experience(wanted)
        version = client.version(wanted) if wanted.version or detail.latest_version else None
    document = {**detail.as_json(), "version": version.as_json() if version else None}
    terminal.answer(document, *_about(detail), *(_proof(version) if version else []))
    return None


def _about(item: ListingDetail) -> list[Any]:
    shown: list[Any] = [
        heading(f"{item.organization}/{item.name}" + (f"@{item.latest_version}" if item.latest_version else "")),
        item.title,
        *([item.summary] if item.summary else []),
        "",
        table(
            ["", ""],
            [
                (_("proof"), word(item.verification.status)),
                (_("rating"), rating(item)),
                (_("license"), f"{item.license or '—'} · {_licensed(item)}"),
                (_("topics"), ", ".join(item.topics)),
                (_("holds where"), "\n".join(item.conditions) or _("anywhere")),
                *[(_("may: {what}").format(what=what), _listed(value)) for what, value in item.permissions.items()],
            ],
        ),
    ]
    if item.parameters:
        rows = [(name, _kind(schema), _default(schema)) for name, schema in item.parameters.items()]
        shown += ["", table([_("parameter"), _("kind"), _("default")], rows)]
    if item.steps:
        rows = [(step.get("id", ""), _action(step), step.get("title") or "") for step in item.steps]
        shown += ["", table([_("step"), _("action"), _("what it does")], rows)]
    return shown


def _licensed(item: ListingDetail) -> str:
    if item.granted:
        return _("your organization may use it")
    if item.offers:
        return _("offered: keiken accept {name}").format(name=f"{item.organization}/{item.name}")
    return _("not offered to your organization")


def _listed(value: Any) -> str:
    items = value if isinstance(value, list) else [value]
    return ", ".join(map(str, items)) or _("nothing")


def _kind(schema: Any) -> str:
    if not isinstance(schema, dict):
        return ""
    kind = schema.get("type", "")
    return ", ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _default(schema: Any) -> str:
    return str(schema["default"]) if isinstance(schema, dict) and "default" in schema else _("must be given")


def _action(step: dict[str, Any]) -> str:
    return str(step.get("action") or next((a for a in ("run", "shell", "http", "file", "ask") if step.get(a)), ""))


def _proof(version: Version) -> list[Any]:
    rows = []
    for item in version.verifications:
        finished = item.finished_at.isoformat(" ", "minutes") if item.finished_at else ""
        rows.append((item.environment or "", word(item.verdict or item.state), finished, ""))
        rows += [("", word(result.verdict), result.scenario, result.reason) for result in item.scenarios]
    columns = [_("environment"), _("verdict"), _("when, scenario"), _("reason")]
    return ["", heading(f"{version.version}  {version.digest}"), *([table(columns, rows)] if rows else [])]
