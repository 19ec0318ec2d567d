"""Mutants and figures in words."""

from __future__ import annotations

from keiken.i18n import _
from keiken.strength.record import MutantRecord, Strength


def sentence(mutant: MutantRecord) -> str:
    """What was made wrong, in one sentence."""
    return _sentences()[_form(mutant)].format(step=mutant.step, target=mutant.target.removeprefix("outputs."))


def _form(mutant: MutantRecord) -> str:
    if mutant.kind != "corrupt":
        return mutant.kind
    if mutant.target == "files":
        return "files"
    return mutant.how if mutant.how == "value_changed" or "/" in mutant.target else "silenced"


def _sentences() -> dict[str, str]:
    return {
        "omit": _("Step '{step}' was left out and claimed success."),
        "undo": _("What step '{step}' did to files was undone right after it."),
        "silenced": _("Step '{step}' gave no {target}."),
        "value_changed": _("The output '{target}' of step '{step}' had another value."),
        "emptied": _("{target} was empty after step '{step}'."),
        "truncated": _("{target} ended in its middle after step '{step}'."),
        "byte_changed": _("One byte of {target} was wrong after step '{step}'."),
        "files": _("One byte was wrong in each file that step '{step}' wrote and no check looks at."),
    }


def proposal_line(mutant: MutantRecord) -> str:
    """Where which check would have noticed; says so when there is none to propose."""
    if not mutant.proposal:
        return _(
            "No single check was found that would notice. Add a step that asks for the effect, and check its answer."
        )
    if mutant.place == "step":
        return _("To notice it, add to 'expect' of step '{step}': {check}").format(
            step=mutant.step, check=mutant.proposal
        )
    return _("To notice it, add to 'expect' of scenario '{scenario}': {check}").format(
        scenario=mutant.scenario, check=mutant.proposal
    )


def summary(strength: Strength) -> str:
    """``11 of 12 wrong effects were noticed (92 %; with 95 % certainty 65 to 99 %)``, and what that is a part of."""
    if not strength.n:
        return _("How strong the checks are could not be told: no wrong effect could be tried.")
    lower, upper = strength.interval
    # xgettext: no-python-format
    text = _("{caught} of {n} wrong effects were noticed: {share:.0f} % (95 % interval {lower:.0f} to {upper:.0f} %).")
    text = text.format(
        caught=strength.caught,
        n=strength.n,
        share=100 * strength.caught / strength.n,
        lower=100 * lower,
        upper=100 * upper,
    )
    if strength.is_sample:
        text += " " + _("These are a sample of the {made} there can be.").format(made=strength.made)
    return text
