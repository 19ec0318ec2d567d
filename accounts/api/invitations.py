"""Inviting people into an organization, and handing it over."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.access import member_for, open_invitation_for, organization_for
from accounts.api.shapes import ROLES, MemberRequest
from accounts.interface import ActorView, checked, refusals
from accounts.models import Invitation
from accounts.services.answer_invitation import revoke_invitation
from accounts.services.invite_member import invite_member
from accounts.services.transfer_ownership import transfer_ownership


class InvitationShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    role = serializers.ChoiceField(ROLES)
    invited_by = serializers.CharField()
    sent_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class InvitationList(serializers.Serializer[object]):
    results = InvitationShape(many=True)


class TransferRequest(serializers.Serializer[object]):
    person = serializers.IntegerField(help_text="The number of the member who becomes owner.")
    own_role = serializers.CharField(max_length=40, help_text="The role you have from then on.")


class InvitationListView(ActorView):
    """Invitations that wait for an answer: for owners."""

    @extend_schema(
        operation_id="list_invitations", tags=["accounts"], responses={200: InvitationList, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        return Response({"results": [_invitation(row) for row in selectors.open_invitations_of(found)]})

    @extend_schema(
        operation_id="invite_member",
        tags=["accounts"],
        request=MemberRequest,
        responses={201: InvitationShape, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        """Send somebody a link to join. Inviting the same address again sends a new link; the older one ends."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        wanted = checked(MemberRequest, request.data)
        made = invite_member(actor=actor, organization=found, email=wanted["email"], role=wanted["role"])
        return Response(_invitation(made), status=201)


class InvitationView(ActorView):
    """One invitation."""

    @extend_schema(
        operation_id="revoke_invitation", tags=["accounts"], responses={204: None, **refusals(401, 403, 404, 409)}
    )
    def delete(self, request: Request, organization: str, invitation: UUID) -> Response:
        """Take it back: its link ends."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        revoke_invitation(actor=actor, invitation=open_invitation_for(found, invitation))
        return Response(status=204)


class TransferView(ActorView):
    """The ownership of an organization."""

    @extend_schema(
        operation_id="transfer_ownership",
        tags=["accounts"],
        request=TransferRequest,
        responses={204: None, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        """Another member becomes owner and you take another role, in one step."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        wanted = checked(TransferRequest, request.data)
        heir = member_for(found, wanted["person"])
        transfer_ownership(actor=actor, organization=found, person=heir.person, own_role=wanted["own_role"])
        return Response(status=204)


def _invitation(row: Invitation) -> dict[str, Any]:
    return {
        "id": row.pk,
        "email": row.email,
        "role": row.role,
        "invited_by": row.invited_by_name,
        "sent_at": row.sent_at,
        "expires_at": row.expires_at,
    }
