"""The frontier in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from keiken.frontier.record import Dependence, Flip, Proposal
from keiken.i18n import _


def flip_name(flips: Sequence[Flip]) -> str:
    """``Time zone <+14>-14``; the baseline without any flip has a name of its own."""
    return " + ".join(_flip(flip) for flip in flips) or _("as it is")


def _flip(flip: Flip) -> str:
    if flip.axis == "tool":
        return _("without {tool}").format(tool=flip.value)
    if flip.axis == "date":
        return _("{n} days later").format(n=flip.value)
    words = {"locale": _("locale {value}"), "time_zone": _("time zone {value}"), "release": _("release {value}")}
    return words[flip.axis].format(value=flip.value)


def verdict_word(verdict: str) -> str:
    words = {
        "proved": _("proved"),
        "supported": _("supported"),
        "contradicted": _("contradicted"),
        "unknown": _("not known"),
    }
    return words[verdict]


def dependence_sentence(dependence: Dependence) -> str:
    flip = _flip(Flip(axis=dependence.axis, value=dependence.value))
    told = _("Not declared, and it decides: {flip}. {reason}").format(flip=flip, reason=dependence.reason)
    if dependence.axis in ("time_zone", "date"):
        advice = _("No condition can say this: let the step set it itself, or compare without it.")
        return f"{told} {advice}"
    return told


def proposal_sentence(proposal: Proposal) -> str:
    if proposal.value is None:
        return _("Take away the condition on {key}.").format(key=proposal.key)
    return _("Let the condition be: {condition}.").format(condition=proposal.text)
