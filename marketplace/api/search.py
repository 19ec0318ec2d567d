"""Search by words, filters and the facts of a machine."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.search.find import Question
from marketplace import selectors
from marketplace.api.base import View, checked, problems
from marketplace.api.search_shapes import SearchPage, SearchRequest
from marketplace.facts import checked_facts


class SearchView(View):
    """Words, filters and the facts of a machine in; what fits there out, each with the reasons, and counts."""

    @extend_schema(
        operation_id="search",
        tags=["experiences"],
        request=SearchRequest,
        responses={200: SearchPage, **problems(400, 401, 413, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        wanted = checked(SearchRequest, request.data)
        filters = dict(wanted["filters"])
        question = Question(
            words=wanted["words"],
            facts=checked_facts(wanted["facts"]) if wanted["facts"] else None,
            fit="nearly" if wanted["nearly"] else "fits" if wanted["fits"] else "any",
            topics=wanted["topics"],
            publishers=filters.pop("publisher", ()),
            verified=filters.pop("verified", ()),
            filters=filters,
            sort=wanted["sort"],
            limit=wanted["limit"],
        )
        found = selectors.search(self.actor, question, wanted["cursor"] or "")
        if not wanted["explain"]:
            found["results"] = [{**row, "fit": _brief(row["fit"])} for row in found["results"]]
        return Response(found)


def _brief(fit: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without ``explain`` only what does not hold is told."""
    if fit is None:
        return None
    return {"status": fit["status"], "findings": [item for item in fit["findings"] if item["status"] != "holds"]}
