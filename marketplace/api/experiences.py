"""Listings, and one experience with its offers."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.access import experience_for
from marketplace import selectors
from marketplace.api import shapes
from marketplace.api.base import View, checked, problems


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
