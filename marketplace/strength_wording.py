"""The strength of checks in plain words, for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from experiences.models import CheckStrength
from keiken.strength import MutantRecord


def strength_sheet(found: CheckStrength | None) -> dict[str, Any] | None:
    """``{label, tone, caught, n, percent, lower, upper, made, is_sample, survivors: [{sentence, place, proposal}]}``"""
    if found is None:
        return None
    strength = found.strength
    grade = strength.grade(settings.KEIKEN.min_check_strength)
    lower, upper = strength.interval
    return {
        "grade": grade,
        "label": _labels()[grade],
        "caught": found.caught,
        "n": found.n,
        "percent": round(100 * found.caught / found.n),
        "lower": round(100 * lower),
        "upper": round(100 * upper),
        "made": strength.made,
        "is_sample": strength.is_sample,
        "survivors": [
            {"sentence": _sentence(mutant), "place": _place(mutant), "proposal": mutant.proposal}
            for mutant in strength.survivors
        ],
    }


def _labels() -> Mapping[str, str]:
    return {"strong": _("strong"), "fair": _("fair"), "weak": _("too weak"), "unknown": _("not known")}


def _sentence(mutant: MutantRecord) -> str:
    texts = {
        "left_out": _("Step “%(step)s” was left out and claimed success."),
        "undone": _("What step “%(step)s” did to files was undone right after it."),
        "value_changed": _("The output %(target)s of step “%(step)s” had another value."),
        "emptied": _("%(target)s was empty after step “%(step)s”."),
        "truncated": _("%(target)s ended in its middle after step “%(step)s”."),
        "byte_changed": _("One byte of %(target)s was wrong after step “%(step)s”."),
    }
    target = mutant.target.removeprefix("outputs.")
    if target == "files":
        target = _("every file that no check looks at")
    return texts[mutant.how] % {"step": mutant.step, "target": target}


def _place(mutant: MutantRecord) -> str:
    if not mutant.proposal:
        return _("No single check was found that would notice. A step that asks for the effect could.")
    if mutant.place == "step":
        return _("In “expect” of step “%(name)s” this would notice it:") % {"name": mutant.step}
    return _("In “expect” of scenario “%(name)s” this would notice it:") % {"name": mutant.scenario}
