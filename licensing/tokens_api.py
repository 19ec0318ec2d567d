"""What a replayer needs of its licenses: the list of what was taken back, and a place for its receipts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.refusals import Unavailable
from accounts.interface import ActorView, checked, refusals
from licensing.models import RevocationList
from licensing.services.receive_receipts import AT_ONCE, receive_receipts


class EnvelopeShape(serializers.Serializer[object]):
    envelope = serializers.DictField(
        allow_null=True, help_text="A DSSE envelope, signed with one of the marketplace's keys."
    )


class ReceiptsRequest(serializers.Serializer[object]):
    receipts = serializers.ListField(
        child=serializers.DictField(), max_length=AT_ONCE, help_text="DSSE envelopes, as 'keiken replay' wrote them."
    )


class ReceiptResult(serializers.Serializer[object]):
    replay_id = serializers.CharField(allow_blank=True)
    is_counted = serializers.BooleanField()
    code = serializers.CharField(allow_blank=True, help_text="Why it does not count; empty when it does.")


class ReceiptResults(serializers.Serializer[object]):
    results = ReceiptResult(many=True)


class RevocationsView(ActorView):
    """The signed list of licenses that were taken back while tokens of them are still about."""

    @extend_schema(operation_id="get_revocations", tags=["licensing"], responses={200: EnvelopeShape, **refusals(503)})
    def get(self, request: Request) -> Response:
        newest = RevocationList.objects.order_by("-number").first()
        if newest is None:
            raise Unavailable(
                "revocations_missing",
                _("Nothing was signed yet."),
                _("Try again in a minute; the operators see what waits."),
            )
        return Response({"envelope": newest.envelope})


class ReceiptsView(ActorView):
    """Tell of replays that were counted offline. The same one again changes nothing."""

    @extend_schema(
        operation_id="send_receipts",
        tags=["licensing"],
        request=ReceiptsRequest,
        responses={200: ReceiptResults, **refusals(400, 401, 403, 422)},
    )
    def post(self, request: Request) -> Response:
        self.actor.require("report")
        wanted: dict[str, Any] = checked(ReceiptsRequest, request.data)
        results = receive_receipts(actor=self.actor, envelopes=wanted["receipts"])
        return Response({"results": [asdict(result) for result in results]})
