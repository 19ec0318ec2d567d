"""``keiken replay``: do a proven procedure again, where its conditions hold and within its permissions."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import click

from keiken.cli import replay_inputs as inputs
from keiken.cli.command import INTERRUPTED, Command, pass_terminal
from keiken.cli.network import consent, egress_of, show_network
from keiken.cli.replay_place import Place, in_sandbox
from keiken.cli.replay_shown import Progress, show_plan, shown
from keiken.cli.replay_target import Target, target_named
from keiken.cli.replay_work import WorkFiles, check_destination
from keiken.cli.report import submit
from keiken.cli.terminal import Terminal, Working
from keiken.client import count_replay
from keiken.client.saved_reports import save
from keiken.conditions import match, parse
from keiken.errors import KeikenError, Refused, UsageError
from keiken.i18n import _
from keiken.replay.engine import REPLAYER, replay
from keiken.replay.report import OUTCOME_EXIT_CODES, Report
from keiken.replay.request import Replay
from keiken.sandbox.protocol import Egress


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, as given."""

    target: str
    values: tuple[str, ...]
    scenario: str
    environment: str
    on: Literal["sandbox", "host"]
    yes: bool
    given_answers: tuple[str, ...]
    secret_names: tuple[str, ...]
    files: tuple[str, ...]
    work_in: Path | None
    work_out: Path | None
    undo_on_divergence: bool
    undo: bool
    allow_unverified: bool
    extra: Path | None
    submit_report: bool
    addresses: tuple[str, ...]
    driver: str | None


@click.command("replay", cls=Command, help=_("Replay a pulled experience, or a package folder, and write a report."))
@click.argument("target", metavar="ORG/NAME[@VERSION]|DIR")
@click.option("-p", "--parameter", "values", multiple=True, metavar="NAME=VALUE", help=_("A parameter (repeatable)."))
@click.option(
    "--scenario",
    default="",
    metavar="NAME",
    help=_("Rehearse one of its scenarios: with its files, services and values."),
)
@click.option("--environment", default="local", show_default=True, metavar="NAME", help=_("The sandbox's root."))
@click.option(
    "--on",
    type=click.Choice(["sandbox", "host"]),
    default="sandbox",
    show_default=True,
    help=_("'host' changes this machine itself: the plan is shown first and must be confirmed."),
)
@click.option("--yes", is_flag=True, help=_("Confirm beforehand what would be asked after the plan."))
@click.option(
    "--allow-address",
    "addresses",
    multiple=True,
    metavar="ADDRESS",
    help=_("An address of an inner network that a declared host may lead to, where it is declared itself."),
)
@click.option("--answer", "given_answers", multiple=True, metavar="STEP=yes", help=_("Answer a step's question."))
@click.option(
    "--secret",
    "secret_names",
    multiple=True,
    metavar="NAME",
    help=_("Ask for this secret, although KEIKEN_SECRET_<NAME> may be set. Values are never given as arguments."),
)
@click.option("--file", "files", multiple=True, metavar="work/PATH=FILE", help=_("Put a file there beforehand."))
@click.option("--work-in", type=click.Path(path_type=Path), metavar="DIR", help=_("Put all files of DIR below work/."))
@click.option(
    "--work-out", type=click.Path(path_type=Path), metavar="DIR", help=_("Copy the work folder's files there.")
)
@click.option("--undo-on-divergence", is_flag=True, help=_("Put things back when a check fails."))
@click.option("--undo", is_flag=True, help=_("Run the undo steps instead, on what --work-in brings."))
@click.option("--allow-unverified", is_flag=True, help=_("Also replay what no signed statement says has passed."))
@click.option("--extra", type=click.Path(path_type=Path, dir_okay=False), help=_("A keiken-facts.yaml of your own."))
@click.option("--driver", metavar="NAME", help=_("The sandbox driver, instead of the first that works."))
@click.option("--report", "submit_report", is_flag=True, help=_("Send the report at once."))
@pass_terminal
def command(terminal: Terminal, /, **given: Any) -> int:
    options = Options(**given)
    check_destination(options.work_out)
    with target_named(terminal, options.target, allow_unverified=options.allow_unverified) as target:
        work = WorkFiles(wanted=options.work_out is not None)
        plan: dict[str, Any] = {}
        report = _report(terminal, options, target, work, plan)
        return _conclude(terminal, options, target, work, report, plan)


def _report(terminal: Terminal, options: Options, target: Target, work: WorkFiles, plan: dict[str, Any]) -> Report:
    """The report of the replay, or of why there was none: nothing was touched then. Fills ``plan`` if shown."""
    manifest = target.package.manifest
    values = inputs.parameters(manifest, options.values)
    given_answers = inputs.answers(manifest, options.given_answers)
    scenario = inputs.scenario(
        manifest, options.scenario, on_host=options.on == "host", has_values=bool(values or given_answers)
    )
    files = inputs.input_files(options.files, options.work_in)
    egress = None
    try:
        place = _place(terminal, options, target)
        if match(parse(manifest.conditions), place.facts).holds:
            egress = _agreed(terminal, options, target, place, values, plan)
    except Refused as refusal:
        return _ended(target, "refused", refusal)
    secrets = {} if scenario else inputs.secrets(terminal, manifest, options.secret_names)
    with terminal.working(_("replaying {name}").format(name=manifest.name)) as working:
        progress = Progress(working, len(manifest.undo if options.undo else manifest.steps))
        job = Replay(
            package=target.package,
            executor=lambda: place.open(egress),
            facts={**place.facts, **scenario.facts} if scenario else place.facts,
            scenario=scenario,
            parameters=values,
            secrets=secrets,
            answer=inputs.answerer(terminal, working, given_answers),
            files=files,
            reference=target.reference,
            undo="only" if options.undo else "on_divergence" if options.undo_on_divergence else "never",
            on_event=progress,
            collect=work.collect,
            limits_enforced=place.limits_enforced,
        )
        return _replayed(job, target, progress, working)


def _replayed(job: Replay, target: Target, progress: Progress, working: Working) -> Report:
    """A replay that a person interrupts leaves a report too."""
    try:
        return replay(job)
    except KeyboardInterrupt:
        working.update(_("interrupted"))
        trouble = KeikenError("interrupted", _("It was interrupted."), _("Look at what its steps did before."))
        report = _ended(target, "error", trouble)
        done = {record.id: record.status for record in progress.records}
        for record in report.steps:
            record.status = done.get(record.id, "not_run")
        return report


def _place(terminal: Terminal, options: Options, target: Target) -> Place:
    if options.on == "host":
        if options.driver is not None:
            raise UsageError(
                "driver_without_sandbox",
                _("--driver names a sandbox, and --on host uses none."),
                _("Leave one of the two away."),
            )
        from keiken.cli.replay_host import on_host

        return on_host(terminal, target.package, options.extra)
    return in_sandbox(terminal, target.package, options.environment, options.extra, options.driver)


def _agreed(
    terminal: Terminal, options: Options, target: Target, place: Place, values: Mapping[str, Any], plan: dict[str, Any]
) -> Egress | None:
    """Show what goes beyond a closed sandbox, and ask. Fills ``plan``. Raises Refused, UsageError."""
    if options.on == "host":
        where = _("On this machine itself, {name}@{version} would:")
        plan |= show_plan(terminal, target.package, values, place.facts, where=where, undo=options.undo)
        refusal = _("It would change this machine itself, and there is nobody to ask.")
        consent(terminal, _("Do this on this machine?"), refusal, yes=options.yes)
        return None
    egress = egress_of(options.addresses)
    if not target.package.manifest.permissions.network:
        return None
    where = _("In a sandbox, {name}@{version} would:")
    plan |= show_plan(terminal, target.package, values, place.facts, where=where, undo=options.undo)
    show_network(terminal, target.package, egress)
    refusal = _("It would reach other machines from its sandbox, and there is nobody to ask.")
    consent(terminal, _("Let it reach these hosts?"), refusal, yes=options.yes)
    return egress


def _ended(target: Target, outcome: Literal["refused", "error"], why: KeikenError) -> Report:
    """A report of something that did not come to its end in the replayer itself."""
    manifest = target.package.manifest
    return Report(
        replay_id=str(uuid.uuid4()),
        experience=target.reference or manifest.name,
        version=manifest.version,
        digest=target.package.digest,
        outcome=outcome,
        code=why.code,
        reason=why.message,
        advice=why.advice,
        steps=[{"id": step.id, "title": step.title or "", "action": step.action} for step in manifest.steps],
        started_at=datetime.now(UTC),
        replayer=REPLAYER,
    )


def _conclude(
    terminal: Terminal, options: Options, target: Target, work: WorkFiles, report: Report, plan: dict[str, Any]
) -> int:
    """Save, copy out, send, answer; a trouble with one of these does not hide the outcome."""
    document: dict[str, Any] = report.model_dump(mode="json")
    lines = shown(report)
    code = INTERRUPTED if report.code == "interrupted" else OUTCOME_EXIT_CODES[report.outcome]
    document["report_file"] = str(save(report))
    if target.license is not None and report.outcome == "succeeded":
        count_replay(target.license, replay_id=report.replay_id, version=report.version, digest=report.digest)
    lines.append(_("Report: {path}").format(path=document["report_file"]))
    document |= {"proven_in": list(target.proven_in), "plan": plan or None, "work_out": [], "submitted": None}
    if report.outcome == "succeeded" and options.work_out is not None:
        document["work_out"] = work.write(options.work_out)
        lines.append(_("{n} files are in {folder}").format(n=len(document["work_out"]), folder=options.work_out))
    if options.submit_report:
        try:
            document["submitted"] = submit(terminal, report)
            lines.append(_("The report was sent."))
        except KeikenError as error:
            document["submitted"] = {"error": error.as_dict()}
            lines += [error.message, error.advice]
            code = code or error.exit_code
    terminal.answer(document, *lines)
    return code
