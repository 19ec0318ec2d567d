"""``keiken check``: what the marketplace will do with a package, done here first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from keiken.cli.check_frontier import explored, frontier_document, frontier_lines
from keiken.cli.check_strength import TOO_WEAK_EXIT_CODE, graded_checks, strength_document, strength_lines
from keiken.cli.command import Command, pass_terminal
from keiken.cli.machine import environment_named
from keiken.cli.network import consent, egress_of, show_network
from keiken.cli.packages import finding_lines, opened, refuse_errors
from keiken.cli.terminal import Terminal, Working, plain, table, word
from keiken.errors import Refused, UsageError
from keiken.i18n import _
from keiken.package import Package, review
from keiken.package.manifest import Scenario
from keiken.replay.prove import prove
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import Driver, Environment, working_driver
from keiken.sandbox.egress.leave import WithLeave

NEUTRAL = "precondition_unmet"


@click.command(
    "check", cls=Command, help=_("Check a package: its format, a review, and a proof of every scenario in a sandbox.")
)
@click.argument("path", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--static", is_flag=True, help=_("Only the format and the review; run nothing."))
@click.option(
    "--environment", "names", multiple=True, metavar="NAME", help=_("Prove in this one instead (repeatable).")
)
@click.option("--scenario", "wanted", multiple=True, metavar="NAME", help=_("Prove only this one (repeatable)."))
@click.option("--strength", "wants_strength", is_flag=True, help=_("Also try wrong effects: do the checks notice?"))
@click.option(
    "--frontier", "wants_frontier", is_flag=True, help=_("Also try the conditions: where do they really end?")
)
@click.option("--driver", "driver_name", metavar="NAME", help=_("The sandbox driver, instead of the first that works."))
@click.option("--yes", is_flag=True, help=_("Let its scenarios reach the hosts it declares, without being asked."))
@click.option(
    "--allow-address",
    "addresses",
    multiple=True,
    metavar="ADDRESS",
    help=_("An address of an inner network that a declared host may lead to, where it is declared itself."),
)
@pass_terminal
def command(
    terminal: Terminal,
    path: Path,
    static: bool,
    names: tuple[str, ...],
    wanted: tuple[str, ...],
    wants_strength: bool,
    wants_frontier: bool,
    driver_name: str | None,
    yes: bool,
    addresses: tuple[str, ...],
) -> int:
    with opened(path) as package:
        findings = review(package)
        refuse_errors(findings)
        document: dict[str, Any] = {
            "name": package.manifest.name,
            "version": package.manifest.version,
            "digest": package.digest or None,
            "findings": [vars(finding) for finding in findings],
        }
        if static:
            shown = _("{name}@{version}: the format is right. Nothing was run.")
            text = shown.format(name=package.manifest.name, version=package.manifest.version)
            terminal.answer({**document, "scenarios": [], "proven": None}, *finding_lines(findings), text)
            return 0
        with terminal.working(_("testing the sandbox")):
            driver = working_driver(driver_name)
        driver = _with_network(terminal, package, driver, addresses, yes=yes)
        proofs = _proofs(terminal, package, _scenarios(package, wanted), names, driver)
        graded = graded_checks(terminal, package, proofs, driver) if wants_strength else []
        frontiers = explored(terminal, package, proofs, driver) if wants_frontier else []
    code = exit_code([verdict for _environment, verdict in proofs])
    if code == 0 and any(strength.grade() == "weak" for _environment, strength in graded):
        code = TOO_WEAK_EXIT_CODE
    terminal.answer(
        {
            **document,
            "scenarios": [_document(*proof) for proof in proofs],
            "strength": [strength_document(*one) for one in graded],
            "frontier": [frontier_document(*one) for one in frontiers],
            "proven": code == 0,
        },
        *finding_lines(findings),
        *_shown(proofs),
        *(line for one in graded for line in strength_lines(*one)),
        *(line for place, one in frontiers for line in frontier_lines(place.name, one)),
        _("Proven here.") if code == 0 else _("Not proven: see the reasons above."),
    )
    return code


def _with_network(
    terminal: Terminal, package: Package, driver: Driver, addresses: Sequence[str], *, yes: bool
) -> Driver:
    """The driver with leave to reach what is declared, if the person gives it; else proofs stay inconclusive."""
    egress = egress_of(addresses)
    if not package.manifest.permissions.network:
        return driver
    show_network(terminal, package, egress)
    try:
        consent(terminal, _("Let its scenarios reach these hosts?"), _("There is nobody to ask."), yes=yes)
    except Refused as refusal:
        terminal.note(f"{refusal.message} " + _("It is tried without the network."))
        return driver
    return WithLeave(driver, egress)


def _scenarios(package: Package, wanted: Sequence[str]) -> list[Scenario]:
    known = [scenario.name for scenario in package.manifest.scenarios]
    for name in wanted:
        if name not in known:
            raise UsageError(
                "scenario_unknown",
                _("There is no scenario '{name}'.").format(name=name),
                _("Name one of: {names}.").format(names=", ".join(known)),
            )
    return [scenario for scenario in package.manifest.scenarios if not wanted or scenario.name in wanted]


def _proofs(
    terminal: Terminal,
    package: Package,
    scenarios: Sequence[Scenario],
    names: Sequence[str],
    driver: Driver,
) -> list[tuple[Environment, ScenarioVerdict]]:
    needed = dict.fromkeys(name for scenario in scenarios for name in (names or scenario.environments))
    built = {name: environment_named(name, terminal, falls_back=not names) for name in needed}
    proofs = []
    with terminal.working(_("proving")) as working:
        for scenario in scenarios:
            # Two environments that cannot be built here are both 'local': once is enough.
            places = {built[name].name: built[name] for name in (names or scenario.environments)}
            for environment in places.values():
                proofs.append((environment, _proof(working, package, scenario, driver, environment)))
    return proofs


def _proof(
    working: Working, package: Package, scenario: Scenario, driver: Driver, environment: Environment
) -> ScenarioVerdict:
    working.update(_("{scenario}, in {environment}").format(scenario=scenario.name, environment=environment.name))
    return prove(package, scenario, driver=driver, environment=environment)


def exit_code(verdicts: Sequence[ScenarioVerdict]) -> int:
    """0 when something passed and nothing speaks against it, 1 for trouble of ours, else 5."""
    found = [verdict.verdict for verdict in verdicts]
    if "error" in found:
        return 1
    return 0 if "passed" in found and set(found) <= {"passed", NEUTRAL} else 5


def _document(environment: Environment, proof: ScenarioVerdict) -> dict[str, Any]:
    executor = proof.report.executor
    return {
        "scenario": proof.scenario,
        "environment": environment.name,
        "environment_digest": environment.digest,
        "driver": executor.driver if executor else "",
        "isolation": executor.isolation if executor else "",
        "verdict": proof.verdict,
        "reason": proof.reason,
        "hollow_caught": proof.hollow_caught,
        "duration_seconds": proof.report.duration_seconds,
        "report": proof.report.model_dump(mode="json") if proof.verdict != "passed" else None,
    }


def _shown(proofs: Sequence[tuple[Environment, ScenarioVerdict]]) -> list[Any]:
    rows = [
        (proof.scenario, environment.name, word(proof.verdict), f"{proof.report.duration_seconds:.1f} s", proof.reason)
        for environment, proof in proofs
    ]
    shown: list[Any] = [table([_("scenario"), _("environment"), _("verdict"), _("time"), _("reason")], rows)]
    for _environment, proof in proofs:
        if proof.verdict not in ("passed", NEUTRAL):
            shown += failing_step(proof)
    return shown


def failing_step(proof: ScenarioVerdict) -> list[Text]:
    """What the step that stopped it printed: usually all one needs to mend it."""
    for step in proof.report.steps:
        if step.status in ("diverged", "failed"):
            said = (step.stderr or step.stdout).strip()
            lines = [Text.assemble((f"{plain(proof.scenario)} · {plain(step.id)}: ", "bold"), plain(step.command))]
            return [*lines, *([Text(plain(said), style="dim")] if said else [])]
    return []
