"""Listings, one experience with its offers, and search by words and fit."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.access import experience_for
from marketplace import selectors
from marketplace.api import shapes
from marketplace.api.base import View, checked, problems
from marketplace.facts import checked_facts


class ExperienceListView(View):
    """What the asker may see, newest first."""

    @extend_schema(
        operation_id="list_experiences",
        tags=["experiences"],
        parameters=[shapes.ListingQuery],
        responses={200: shapes.ListingPage, **problems(400, 401)},
    )
    def get(self, request: Request) -> Response:
        query = checked(shapes.ListingQuery, request.query_params)
        found = selectors.listing_page(
            self.actor,
            topic=query["topic"],
            organization=query["organization"],
            cursor=query["cursor"],
            limit=query["limit"],
        )
        return Response(found)


class SearchView(View):
    """Words, topics and the facts of a machine in; what fits there out, each with the reasons."""

    @extend_schema(
        operation_id="search",
        tags=["experiences"],
        request=shapes.SearchRequest,
        responses={200: shapes.SearchPage, **problems(400, 401, 413, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        wanted = checked(shapes.SearchRequest, request.data)
        facts = checked_facts(wanted["facts"]) if wanted["facts"] else None
        results, following = selectors.search(
            self.actor,
            words=wanted["words"],
            topics=wanted["topics"],
            facts=facts,
            only_fitting=wanted["fits"],
            cursor=wanted["cursor"] or "",
            limit=wanted["limit"],
        )
        if not wanted["explain"]:
            results = [{**row, "fit": _brief(row["fit"])} for row in results]
        return Response({"results": results, "next": following})


class ExperienceView(View):
    """One experience: what it needs, does and may touch, its proof, its offers."""

    @extend_schema(
        operation_id="get_experience",
        tags=["experiences"],
        responses={200: shapes.ListingDetail, **problems(401, 404)},
    )
    def get(self, request: Request, organization: str, name: str) -> Response:
        found = experience_for(self.actor, organization, name)
        return Response(selectors.listing_detail(self.actor, found))


def _brief(fit: dict[str, object] | None) -> dict[str, object] | None:
    """Without ``explain`` only what does not hold is told."""
    if fit is None:
        return None
    findings = fit["findings"]
    assert isinstance(findings, list)
    return {"status": fit["status"], "findings": [item for item in findings if item["status"] != "holds"]}
