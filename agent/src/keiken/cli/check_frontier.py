"""The condition frontier as ``keiken check --frontier`` and ``keiken frontier`` tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from keiken.cli.terminal import Terminal, plain, table, word
from keiken.errors import KeikenError
from keiken.frontier.explore import explore, others_by_release
from keiken.frontier.record import Frontier
from keiken.frontier.wording import dependence_sentence, flip_name, proposal_sentence, verdict_word
from keiken.i18n import _
from keiken.package import Package
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import Driver, Environment, environments


def explored(
    terminal: Terminal, package: Package, proofs: Sequence[tuple[Environment, ScenarioVerdict]], driver: Driver
) -> list[tuple[Environment, Frontier]]:
    """Around each environment that was proven in; other releases are those that are built here."""
    places = {environment.digest: environment for environment, _proof in proofs}
    built = {}
    for row in environments.available():
        if row.built and row.name != environments.LOCAL:
            try:
                built[row.name] = environments.get(row.name)
            except KeikenError as trouble:
                terminal.note(trouble.message)
    found = []
    with terminal.working(_("trying the conditions")) as working:
        for environment in places.values():

            def tell(done: int, planned: int, name: str = environment.name) -> None:
                working.update(
                    _("place {n} of {all}, around {environment}").format(n=done, all=planned, environment=name)
                )

            others = others_by_release(environment, built)
            frontier = explore(package, driver=driver, environment=environment, others=others, on_progress=tell)
            found.append((environment, frontier))
    return found


def frontier_document(environment: Environment, frontier: Frontier) -> dict[str, Any]:
    return {"environment": environment.name, **frontier.model_dump(mode="json")}


def frontier_lines(name: str, frontier: Frontier) -> Iterator[Any]:
    title = _("Conditions, tried around {environment}: {n} places").format(environment=name, n=len(frontier.runs))
    yield Text(plain(title), style="bold")
    rows = [(flip_name(run.flips), word(run.outcome), run.reason) for run in frontier.runs]
    if rows:
        yield table([_("place"), _("outcome"), _("reason")], rows)
    verdicts = [(one.condition, verdict_word(one.verdict), one.reason) for one in frontier.conditions]
    if verdicts:
        yield table([_("condition"), _("verdict"), _("evidence")], verdicts)
    for one in frontier.dependences:
        yield Text.assemble((_("undeclared: "), "yellow"), plain(dependence_sentence(one)))
    for missing in frontier.not_run:
        name = f"{missing.axis} {missing.value}".strip()
        yield Text(plain(_("not tried: {place}: {reason}").format(place=name, reason=missing.reason)), style="dim")
    for proposal in frontier.proposals:
        yield Text.assemble((_("proposed: "), "bold"), plain(proposal_sentence(proposal)))
