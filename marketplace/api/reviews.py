"""Reading ratings, answering them, and saying that one was helpful."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.access import experience_for
from marketplace.api import shapes
from marketplace.api.base import View, checked, problems
from marketplace.paging import page
from marketplace.reviews import document_of, rating_for, ratings_for
from marketplace.services.reply import reply
from marketplace.services.vote_helpful import vote_helpful


class RatingQuery(serializers.Serializer[object]):
    cursor = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=100, default=25)


class RatingPage(serializers.Serializer[object]):
    results = shapes.StoredRating(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)


class ReplyRequest(serializers.Serializer[object]):
    text = serializers.CharField(allow_blank=True, max_length=4000, help_text="Empty takes the reply back.")


class HelpfulCount(serializers.Serializer[object]):
    helpful = serializers.IntegerField()


class RatingListView(View):
    """What organizations say who have used it, newest first."""

    @extend_schema(
        operation_id="list_ratings",
        tags=["field"],
        parameters=[RatingQuery],
        responses={200: RatingPage, **problems(400, 401, 404)},
    )
    def get(self, request: Request, organization: str, name: str) -> Response:
        experience = experience_for(self.actor, organization, name)
        query = checked(RatingQuery, request.query_params)
        found = page(ratings_for(self.actor, experience), query["cursor"], query["limit"])
        results = [document_of(row, str(experience)) for row in found]
        return Response({"results": results, "next": found.next, "previous": found.previous})


class ReplyView(View):
    """The publisher's answer to a rating."""

    @extend_schema(
        operation_id="put_reply",
        tags=["field"],
        request=ReplyRequest,
        responses={200: shapes.StoredRating, **problems(400, 401, 403, 404, 413, 415, 422)},
    )
    def put(self, request: Request, number: int) -> Response:
        rating = rating_for(self.actor, number)
        reply(actor=self.actor, rating=rating, text=checked(ReplyRequest, request.data)["text"])
        stored = ratings_for(self.actor, rating.experience).get(pk=number)
        return Response(document_of(stored, str(rating.experience)))


class HelpfulView(View):
    """Your organization's voice on whether a rating is helpful."""

    @extend_schema(
        operation_id="put_helpful",
        tags=["field"],
        request=None,
        responses={200: HelpfulCount, **problems(401, 403, 404, 409)},
    )
    def put(self, request: Request, number: int) -> Response:
        return self._vote(number, is_helpful=True)

    @extend_schema(
        operation_id="delete_helpful",
        tags=["field"],
        request=None,
        responses={200: HelpfulCount, **problems(401, 403, 404)},
    )
    def delete(self, request: Request, number: int) -> Response:
        return self._vote(number, is_helpful=False)

    def _vote(self, number: int, *, is_helpful: bool) -> Response:
        rating = rating_for(self.actor, number)
        return Response({"helpful": vote_helpful(actor=self.actor, rating=rating, is_helpful=is_helpful)})
