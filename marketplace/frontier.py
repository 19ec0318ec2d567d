"""Reading the frontier of a version: what explorations found, and what they, verifications and the field propose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from experiences.models import FrontierRun, Verification, Version
from keiken.frontier.judge import seen
from keiken.frontier.propose import Observation, proposals
from keiken.frontier.record import ConditionVerdict, Dependence, Frontier, Proposal, Run
from keiken.frontier.wording import dependence_sentence, flip_name, proposal_sentence, verdict_word
from marketplace.models import ReplayReport

FIELD_REPORTS = 500
"""The newest ones: what was so years ago says little."""
FIELD_OUTCOMES = {"succeeded": True, "diverged": False, "failed": False}
"""A refusal is the conditions at work, and an error is nobody's."""


def newest_runs(version: Version) -> list[FrontierRun]:
    """What is under way, or else was found last, around each environment."""
    rows = FrontierRun.objects.filter(version=version).select_related("environment")
    return list(rows.order_by("environment_name", "-created_at").distinct("environment_name"))


def done_frontiers(version: Version) -> list[FrontierRun]:
    """The last finished exploration around each environment."""
    rows = FrontierRun.objects.filter(version=version, state=FrontierRun.State.DONE).select_related("environment")
    return list(rows.order_by("environment_name", "-finished_at").distinct("environment_name"))


def proposals_for(version: Version) -> list[Proposal]:
    """From all that is known: explorations, verdicts, and reports from the field."""
    return proposals(version.manifest.get("conditions") or {}, observations(version))


def observations(version: Version) -> list[Observation]:
    found = [seen(run) for row in done_frontiers(version) for run in row.frontier.runs if len(run.flips) < 2]
    verified = Verification.objects.filter(version=version, verdict__in=["passed", "failed"]).select_related(
        "environment"
    )
    for one in verified.order_by("environment_id", "-finished_at").distinct("environment_id"):
        if one.environment is not None:
            place = _("verified in {environment}").format(environment=one.environment_name)
            found.append(Observation(facts=one.environment.facts, passed=one.verdict == "passed", place=place))
    reports = ReplayReport.objects.filter(version=version, outcome__in=FIELD_OUTCOMES).order_by("-created_at")
    for report in reports.only("facts", "outcome")[:FIELD_REPORTS]:
        passed = FIELD_OUTCOMES[report.outcome]
        found.append(Observation(facts=report.facts, passed=passed, place=_("reported from the field")))
    return found


@dataclass(frozen=True)
class Sheet:
    """One exploration as a page shows it."""

    row: FrontierRun
    conditions: list[dict[str, Any]]
    dependences: list[str]
    runs: list[dict[str, Any]]
    not_run: list[dict[str, str]]


def sheets(version: Version, *, is_full: bool) -> list[Sheet]:
    """Not full: what a step printed is not told."""
    return [_sheet(row, is_full) for row in done_frontiers(version)]


def _sheet(row: FrontierRun, is_full: bool) -> Sheet:
    frontier = row.frontier
    return Sheet(
        row=row,
        conditions=[_condition(one, frontier, is_full) for one in frontier.conditions],
        dependences=[_dependence(one, is_full) for one in frontier.dependences],
        runs=[
            {
                "name": flip_name(run.flips),
                "outcome": run.outcome,
                "bare": run.bare,
                "reason": run.reason if is_full else "",
            }
            for run in frontier.runs
        ],
        not_run=[{"name": f"{one.axis} {one.value}".strip(), "reason": one.reason} for one in frontier.not_run],
    )


def _condition(one: ConditionVerdict, frontier: Frontier, is_full: bool) -> dict[str, Any]:
    def places(numbers: list[int]) -> str:
        return ", ".join(_place(frontier.runs[number]) for number in numbers)

    return {
        "condition": one.condition,
        "verdict": verdict_word(one.verdict),
        "status": one.verdict,
        "reason": one.reason if is_full or one.verdict != "contradicted" else "",
        "inside": places(one.inside),
        "outside": places(one.outside),
    }


def _place(run: Run) -> str:
    return f"{flip_name(run.flips)}: {_('passed') if run.bare == 'passed' else _('failed')}"


def _dependence(one: Dependence, is_full: bool) -> str:
    return dependence_sentence(one if is_full else one.model_copy(update={"reason": ""}))


def proposal_rows(version: Version) -> list[dict[str, Any]]:
    return [
        {"key": one.key, "text": proposal_sentence(one), "evidence": one.evidence} for one in proposals_for(version)
    ]


def document_of(row: FrontierRun, *, is_full: bool) -> dict[str, Any]:
    """For the API. Not full: without the reasons of runs, which may quote what a step printed."""
    frontier = row.frontier if row.record is not None else Frontier()
    if not is_full:
        frontier = frontier.model_copy(
            update={
                "runs": [run.model_copy(update={"reason": ""}) for run in frontier.runs],
                "conditions": [
                    one.model_copy(update={"reason": ""}) if one.verdict == "contradicted" else one
                    for one in frontier.conditions
                ],
                "dependences": [one.model_copy(update={"reason": ""}) for one in frontier.dependences],
            }
        )
    body = frontier.model_dump(mode="json", exclude={"proposals"})
    return {
        **body,
        "environment": row.environment_name,
        "environment_digest": row.environment.digest if row.environment else "",
        "state": row.state,
        "finished_at": row.finished_at,
    }
