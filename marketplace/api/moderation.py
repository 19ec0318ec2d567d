"""Reporting what should not be here, learning what came of it, and appealing a decision."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from experiences.access import experience_for
from marketplace.api.base import View, checked, problems
from marketplace.domain.reviews import REASON_LIMIT
from marketplace.models import Case
from marketplace.moderation import case_for, document_of
from marketplace.reviews import rating_for
from marketplace.services.appeal import appeal
from marketplace.services.report_abuse import report_abuse


class AbuseReport(serializers.Serializer[object]):
    reason = serializers.ChoiceField([str(value) for value in Case.Reason.values])
    text = serializers.CharField(max_length=REASON_LIMIT, help_text="What is wrong. Reviewers read it, nobody else.")


class RatingAbuseReport(AbuseReport):
    part = serializers.ChoiceField(["rating", "reply"], required=False, default="rating")


class AppealRequest(serializers.Serializer[object]):
    text = serializers.CharField(max_length=REASON_LIMIT, help_text="Why the decision is wrong.")


class CaseShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    subject = serializers.ChoiceField(["listing", "rating", "reply"])
    experience = serializers.CharField()
    rating = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(["open", "decided", "appealed", "closed"])
    outcome = serializers.ChoiceField(["kept", "hidden"], allow_null=True)
    reason = serializers.ChoiceField([str(value) for value in Case.Reason.values], allow_null=True)
    statement = serializers.CharField(allow_blank=True, help_text="Why, for the author and reviewers.")
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)


RESPONSES = {201: CaseShape, 200: CaseShape, **problems(400, 401, 403, 404, 409, 413, 415, 422)}


class ListingAbuseView(View):
    """Report an experience: it endangers who replays it, deceives, infringes rights, …"""

    @extend_schema(operation_id="report_experience", tags=["field"], request=AbuseReport, responses=RESPONSES)
    def post(self, request: Request, organization: str, name: str) -> Response:
        experience = experience_for(self.actor, organization, name)
        wanted = checked(AbuseReport, request.data)
        case, created = report_abuse(actor=self.actor, subject="listing", experience=experience, **wanted)
        return Response(document_of(case_for(self.actor, case.pk)), status=201 if created else 200)


class RatingAbuseView(View):
    """Report a rating, or the reply to it."""

    @extend_schema(operation_id="report_rating", tags=["field"], request=RatingAbuseReport, responses=RESPONSES)
    def post(self, request: Request, number: int) -> Response:
        rating = rating_for(self.actor, number)
        wanted = checked(RatingAbuseReport, request.data)
        subject = wanted.pop("part")
        case, created = report_abuse(
            actor=self.actor, subject=subject, experience=rating.experience, rating=rating, **wanted
        )
        return Response(document_of(case_for(self.actor, case.pk)), status=201 if created else 200)


class CaseView(View):
    """What was decided about a report of yours, or about something of yours."""

    @extend_schema(operation_id="get_case", tags=["field"], responses={200: CaseShape, **problems(401, 404)})
    def get(self, request: Request, case: uuid.UUID) -> Response:
        return Response(document_of(case_for(self.actor, case)))


class AppealView(View):
    """Say why hiding something of yours is wrong."""

    @extend_schema(
        operation_id="appeal_case",
        tags=["field"],
        request=AppealRequest,
        responses={200: CaseShape, **problems(400, 401, 403, 404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, case: uuid.UUID) -> Response:
        appeal(actor=self.actor, case_id=case, text=checked(AppealRequest, request.data)["text"])
        return Response(document_of(case_for(self.actor, case)))
