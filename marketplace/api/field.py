"""What comes back from the field: replay reports and ratings."""

from __future__ import annotations

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from pydantic import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.refusals import Invalid
from experiences.access import experience_for
from keiken.replay.report import Report
from marketplace.api import shapes
from marketplace.api.base import View, checked, problems
from marketplace.models import ReplayReport
from marketplace.reviews import document_of, ratings_for
from marketplace.services.rate import Opinion, rate
from marketplace.services.report import submit_report

PROBLEMS_SHOWN = 20


class ReportView(View):
    """Tell how a replay went. The same ``replay_id`` again answers with what is stored."""

    @extend_schema(
        operation_id="submit_report",
        tags=["field"],
        request=Report,
        responses={
            201: shapes.StoredReport,
            200: shapes.StoredReport,
            **problems(400, 401, 403, 404, 409, 413, 415, 422),
        },
    )
    def post(self, request: Request, organization: str, name: str) -> Response:
        actor = self.actor
        actor.require("report")
        experience = experience_for(actor, organization, name)
        row, created = submit_report(actor=actor, experience=experience, report=_report(request.data))
        return Response(_stored_report(row, str(experience)), status=201 if created else 200)


class RatingView(View):
    """Rate the version line of a replay that your organization has reported."""

    @extend_schema(
        operation_id="put_rating",
        tags=["field"],
        request=shapes.RatingRequest,
        responses={
            201: shapes.StoredRating,
            200: shapes.StoredRating,
            **problems(400, 401, 403, 404, 413, 415, 422),
        },
    )
    def put(self, request: Request, organization: str, name: str) -> Response:
        actor = self.actor
        actor.require("rate")
        experience = experience_for(actor, organization, name)
        wanted = checked(shapes.RatingRequest, request.data)
        replay_id = wanted.pop("replay_id")
        row, created = rate(actor=actor, experience=experience, opinion=Opinion(**wanted), replay_id=replay_id)
        stored = ratings_for(actor, experience).get(pk=row.pk)
        return Response(document_of(stored, str(experience)), status=201 if created else 200)


def _report(data: object) -> Report:
    """Raises Invalid naming each field that breaks the report's shape."""
    try:
        return Report.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[:PROBLEMS_SHOWN]
        named = {".".join(str(part) for part in item["loc"]): [item["msg"]] for item in found}
        raise Invalid(
            "report_malformed",
            _("This is no replay report."),
            _("Send the file that 'keiken replay' wrote, unchanged."),
            {"errors": named},
        ) from None


def _stored_report(row: ReplayReport, experience: str) -> dict[str, object]:
    return {
        "id": row.id,
        "replay_id": row.replay_id,
        "experience": experience,
        "version": row.version.version,
        "outcome": row.outcome,
        "code": row.code,
        "created_at": row.created_at,
    }
