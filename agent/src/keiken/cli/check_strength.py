"""The strength of checks as ``keiken check --strength`` tells it: what survived, and which check would have noticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from keiken.cli.terminal import Terminal, plain
from keiken.i18n import _
from keiken.package import Package
from keiken.replay.report import ScenarioVerdict
from keiken.sandbox import Driver, Environment
from keiken.strength import Strength, grade, proposal_line, sentence, summary

TOO_WEAK_EXIT_CODE = 5
"""As for every other verdict against a package: a marketplace would call it vacuous."""
Graded = tuple[Environment, Strength]


def graded_checks(
    terminal: Terminal, package: Package, proofs: Sequence[tuple[Environment, ScenarioVerdict]], driver: Driver
) -> list[Graded]:
    """One grade for each environment in which something passed. Raises SandboxUnavailable."""
    places = {environment.digest: environment for environment, proof in proofs if proof.verdict == "passed"}
    graded = []
    with terminal.working(_("trying wrong effects")) as working:
        for digest, environment in places.items():
            verdicts = [proof for place, proof in proofs if place.digest == digest]

            def tell(tried: int, chosen: int, name: str = environment.name) -> None:
                working.update(
                    _("wrong effect {n} of {all}, in {environment}").format(n=tried, all=chosen, environment=name)
                )

            strength = grade(package, verdicts, driver=driver, environment=environment, on_progress=tell)
            graded.append((environment, strength))
    return graded


def strength_document(environment: Environment, strength: Strength) -> dict[str, Any]:
    lower, upper = strength.interval
    return {
        "environment": environment.name,
        "environment_digest": environment.digest,
        "grade": strength.grade(),
        "caught": strength.caught,
        "n": strength.n,
        "made": strength.made,
        "interval": [round(lower, 4), round(upper, 4)],
        "ungraded": strength.ungraded,
        "seconds": strength.seconds,
        "mutants": [{**mutant.model_dump(), "sentence": sentence(mutant)} for mutant in strength.mutants],
    }


def strength_lines(environment: Environment, strength: Strength) -> Iterator[Text]:
    title = _("Strength of the checks in {environment}: {grade}.")
    title = title.format(environment=environment.name, grade=grade_word(strength.grade()))
    yield Text.assemble((plain(title), "bold"), " ", plain(summary(strength)))
    for mutant in strength.survivors:
        yield Text.assemble((_("not noticed: "), "yellow"), plain(sentence(mutant)))
        yield Text(f"  {plain(proposal_line(mutant))}")
    for name in strength.ungraded:
        text = _("The scenario '{name}' did not end the same way again, so it was not graded.")
        yield Text(plain(text.format(name=name)))


def grade_word(grade: str) -> str:
    words = {"strong": _("strong"), "fair": _("fair"), "weak": _("too weak"), "unknown": _("not known")}
    return words[grade]
