"""A signed license for the replayer to carry along."""

from __future__ import annotations

import time

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.refusals import NotFound
from experiences.access import version_for
from keiken.client.references import server_address
from keiken.trust import PublicKey
from licensing.services.issue_token import issue_token
from licensing.tokens_api import EnvelopeShape
from marketplace.access import entitlement
from marketplace.api.base import View, checked, problems

SIGNED_WITHIN_SECONDS = 2.0
"""How long an answer is held back for the signing worker; then it is 202 and asked for again."""


class LicenseRequest(serializers.Serializer[object]):
    receipt_key = serializers.RegexField(
        r"^[A-Za-z0-9+/]{43}=$", help_text="Ed25519, raw, base64: the key that signs this machine's receipts."
    )


class LicenseView(View):
    """A license of this version to carry along, signed. 202: it is being signed, ask again in a second."""

    @extend_schema(
        operation_id="issue_license",
        tags=["licensing"],
        request=LicenseRequest,
        responses={200: EnvelopeShape, 202: EnvelopeShape, **problems(400, 401, 402, 403, 404)},
    )
    def post(self, request: Request, organization: str, name: str, version: str) -> Response:
        actor = self.actor
        actor.require("download")
        found = version_for(actor, organization, name, version)
        wanted = checked(LicenseRequest, request.data)
        PublicKey.from_base64(wanted["receipt_key"])
        allowed = entitlement(
            actor, found.experience, scope="download", permission="replay_experience", version=found.version
        )
        if allowed.grant is None:
            raise NotFound("license")
        server = server_address(f"{request.scheme}://{request.get_host()}")
        token = issue_token(actor=actor, grant=allowed.grant, server=server, receipt_key=wanted["receipt_key"])
        deadline = time.monotonic() + SIGNED_WITHIN_SECONDS
        while token.envelope is None and time.monotonic() < deadline:
            time.sleep(0.05)
            token.refresh_from_db(fields=["envelope"])
        if token.envelope is None:
            return Response({"envelope": None}, status=202, headers={"Retry-After": "1"})
        return Response({"envelope": token.envelope})
