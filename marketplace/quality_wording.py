"""The parts of a quality in words, for the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from marketplace.models import QualityScore

LABELS = {
    "verification": gettext_lazy("Proofs"),
    "field": gettext_lazy("In the field"),
    "ratings": gettext_lazy("Ratings"),
    "maintenance": gettext_lazy("Care"),
    "savings": gettext_lazy("Savings"),
}


def quality_sheet(row: QualityScore | None) -> dict[str, Any] | None:
    """``{percent, computed_at, parts: [{label, percent, weight, points, sentences, places}]}``; None while unknown."""
    if row is None or row.value is None:
        return None
    return {
        "percent": percent(row.value),
        "computed_at": row.computed_at,
        "parts": [_part(item) for item in row.components],
    }


def percent(share: float) -> int:
    return round(share * 100)


def _part(item: Mapping[str, Any]) -> dict[str, Any]:
    evidence = item["evidence"]
    return {
        "label": LABELS[item["name"]],
        "percent": percent(item["value"]),
        "weight": percent(item["weight"]),
        "points": f"{item['value'] * item['weight'] * 100:.1f}",
        "sentences": list(filter(None, SENTENCES[item["name"]](evidence))),
        "places": [_place(place) for place in evidence.get("environments", [])] if item["name"] == "field" else [],
    }


def _place(place: Mapping[str, Any]) -> dict[str, Any]:
    lower, upper = place["interval"]
    return {
        "name": place["name"] or _("not told"),
        "parties": place["parties"],
        "percent": percent(place["share"]),
        "lower": percent(lower),
        "upper": percent(upper),
    }


def _verification(evidence: Mapping[str, Any]) -> list[str]:
    if not evidence["environments"]:
        return [_("It has not been proven yet.")]
    lower, upper = evidence["strength_interval"]
    strength = (
        _("Its checks noticed {caught} of {n} wrong effects (95 % interval {lower} to {upper} %).").format(
            caught=evidence["caught"], n=evidence["mutants"], lower=percent(lower), upper=percent(upper)
        )
        if evidence["mutants"]
        else _("How strong its checks are is not known.")
    )
    return [
        _("It passes now in {passing} of {n} environments; a proof loses half of its worth while it ages.").format(
            passing=evidence["passing"], n=evidence["environments"]
        ),
        _("{flaky} of its last {n} verdicts were flaky.").format(flaky=evidence["flaky"], n=evidence["verdicts"])
        if evidence["verdicts"]
        else "",
        strength,
    ]


def _field(evidence: Mapping[str, Any]) -> list[str]:
    if evidence["share"] is None:
        return [_("Nobody else has reported a replay of it in the last 180 days.")]
    lower, upper = evidence["interval"]
    return [
        ngettext(
            "{share} % of the replays of {n} independent party succeeded (95 % interval {lower} to {upper} %).",
            "{share} % of the replays of {n} independent parties succeeded (95 % interval {lower} to {upper} %).",
            evidence["parties"],
        ).format(share=percent(evidence["share"]), n=evidence["parties"], lower=percent(lower), upper=percent(upper)),
        _("The lower end counts. However much one party reports, it counts once."),
    ]


def _ratings(evidence: Mapping[str, Any]) -> list[str]:
    if not evidence["parties"]:
        return [_("Nobody has rated it. That counts as neither good nor bad.")]
    return [
        ngettext(
            "{n} independent party rated it; with the usual caution that makes {mean} stars.",
            "{n} independent parties rated it; with the usual caution that makes {mean} stars.",
            evidence["parties"],
        ).format(n=evidence["parties"], mean=evidence["mean"])
    ]


def _maintenance(evidence: Mapping[str, Any]) -> list[str]:
    if not evidence["troubles"]:
        return [_("No proof of it has failed so far.")]
    return [
        ngettext(
            "A proof failed {n} time; until it passed again it took {days} days in the middle.",
            "A proof failed {n} times; until it passed again it took {days} days in the middle.",
            evidence["troubles"],
        ).format(n=evidence["troubles"], days=evidence["median_days"]),
        _("It still fails somewhere.") if evidence["open"] else "",
    ]


def _savings(evidence: Mapping[str, Any]) -> list[str]:
    if not evidence["parties"]:
        return [_("Nobody has told what a replay of it saves.")]
    return [
        _("A replay saves {n} steps in the middle, as reported.").format(n=round(evidence["median_steps"]))
        if evidence["median_steps"] is not None
        else "",
        _("A replay saves {n} model tokens in the middle, as reported.").format(n=round(evidence["median_tokens"]))
        if evidence["median_tokens"] is not None
        else "",
    ]


SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "verification": _verification,
    "field": _field,
    "ratings": _ratings,
    "maintenance": _maintenance,
    "savings": _savings,
}
