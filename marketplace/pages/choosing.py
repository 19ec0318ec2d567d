"""What a person chose on the page that searches, as a question and as the links that choose one thing more or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest

from experiences.search.columns import CLASS_FACETS, SORTS, VERIFIED_BUCKETS, Sort
from experiences.search.engine import Fit
from experiences.search.find import Question
from marketplace.facet_wording import facet_title, facet_value

FACETS = ("topic", "verified", "environment", "license", "price", "action", "language", "publisher")
"""In the order in which they are shown."""
WORDS_MAX_LENGTH = 200
PARAMETERS = {name: name for name in FACETS} | {"publisher": "organization"}
"""How addresses call a facet."""
VALUE_MAX_LENGTH = 64
VALUES_MAX = 10
FITS: Final[tuple[Fit, ...]] = ("any", "fits", "nearly")


@dataclass(frozen=True, slots=True)
class Choice:
    """``parameters`` are the address's, in a fixed order: the same choice is the same address."""

    question: Question
    parameters: tuple[tuple[str, str], ...]
    cursor: str

    def values(self, facet: str) -> list[str]:
        return [value for key, value in self.parameters if key == PARAMETERS[facet]]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """What a form must carry along that asks for words, fit and order itself."""
        return [item for item in self.parameters if item[0] not in ("q", "fit", "sort")]

    def link(
        self, *, adding: tuple[str, str] | None = None, leaving: tuple[str, str] | None = None, **more: str
    ) -> str:
        """The address of this choice with one value more or less, without the leading question mark."""
        kept = [item for item in self.parameters if item != leaving and item[0] not in more]
        return urlencode([*kept, *([adding] if adding else []), *more.items()])


def read_choice(request: HttpRequest, facts: Mapping[str, Any] | None) -> Choice:
    """Lenient: what this page does not know is left out, since people's bookmarks outlive it."""
    words = " ".join(request.GET.get("q", "").split())[:WORDS_MAX_LENGTH]
    chosen = {name: _values(request, PARAMETERS[name]) for name in FACETS}
    chosen["verified"] = [value for value in chosen["verified"] if value in VERIFIED_BUCKETS]
    fit: Fit = next((name for name in FITS if name == request.GET.get("fit") and facts is not None), "any")
    sort: Sort = next((name for name in SORTS if name == request.GET.get("sort")), "relevance")
    parameters = [("q", words)] if words else []
    parameters += [(PARAMETERS[name], value) for name in FACETS for value in chosen[name]]
    parameters += [("fit", fit)] if fit != "any" else []
    parameters += [("sort", sort)] if sort != "relevance" else []
    question = Question(
        words=words,
        facts=facts,
        fit=fit,
        topics=chosen["topic"],
        publishers=chosen["publisher"],
        verified=chosen["verified"],
        filters={name: chosen[name] for name in CLASS_FACETS},
        sort=sort,
    )
    return Choice(question, tuple(parameters), request.GET.get("cursor", "")[:500])


def facets_of(choice: Choice, counts: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """``[{name, title, values: [{value, label, count, is_chosen, query}]}]``; what is chosen stays to be undone."""
    return [
        {"name": name, "title": facet_title(name), "values": values}
        for name in FACETS
        if (values := _facet_values(choice, name, counts.get(name, [])))
    ]


def _facet_values(choice: Choice, name: str, counts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    chosen, key = choice.values(name), PARAMETERS[name]
    known = {str(item["value"]): int(item["count"]) for item in counts}
    return [
        {
            "value": value,
            "label": facet_value(name, value),
            "count": known.get(value, 0),
            "is_chosen": value in chosen,
            "query": choice.link(leaving=(key, value)) if value in chosen else choice.link(adding=(key, value)),
        }
        for value in dict.fromkeys([*chosen, *known])
    ]


def _values(request: HttpRequest, name: str) -> list[str]:
    given = [value.strip()[:VALUE_MAX_LENGTH] for value in request.GET.getlist(name)[:VALUES_MAX]]
    return list(dict.fromkeys(value for value in given if value))
