"""Who am I, and an organization's agents, keys and audit trail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.domain.refusals import NotFound
from accounts.interface import ActorView, checked, refusals
from accounts.models import Agent, ApiKey, AuditEntry
from accounts.services.create_agent import create_agent
from accounts.services.issue_key import issue_key
from accounts.services.revoke_key import revoke_key


class Principal(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["person", "agent"])
    name = serializers.CharField()


class OrganizationShape(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()


class Server(serializers.Serializer[Any]):
    name = serializers.CharField()
    signing_keys_url = serializers.CharField()


class Me(serializers.Serializer[Any]):
    principal = Principal()
    organization = OrganizationShape(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField())
    server = Server()


class AgentShape(serializers.ModelSerializer[Agent]):
    class Meta:
        model = Agent
        fields = ["name", "is_active", "created_at"]
        read_only_fields = ["is_active", "created_at"]


class KeyShape(serializers.ModelSerializer[ApiKey]):
    holder = serializers.SerializerMethodField()

    class Meta:
        model = ApiKey
        fields = ["prefix", "name", "holder", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]

    def get_holder(self, key: ApiKey) -> str:
        return str(key.agent or key.person)


class NewKey(serializers.Serializer[Any]):
    agent = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.CharField(max_length=20), allow_empty=False, max_length=10)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class MadeKey(KeyShape):
    key = serializers.CharField(help_text="The key itself. It is shown this once and kept nowhere.")

    class Meta(KeyShape.Meta):
        fields = [*KeyShape.Meta.fields, "key"]


class AuditShape(serializers.ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = ["id", "at", "actor_kind", "actor_name", "action", "target", "details"]


class AuditPaging(CursorPagination):
    page_size = 50
    ordering = "-id"


class MeView(ActorView):
    """The principal behind the key or session, for which organization, with which scopes."""

    @extend_schema(operation_id="me", tags=["accounts"], responses={200: Me, **refusals(401)})
    def get(self, request: Request) -> Response:
        actor = self.actor
        actor.require("read") if actor.organization_id else actor.require_known()
        organization = organization_for(actor, actor.organization_slug) if actor.organization_id else None
        return Response(
            {
                "principal": {"kind": actor.kind, "name": actor.name},
                "organization": {"slug": organization.slug, "name": organization.name} if organization else None,
                "scopes": sorted(actor.scopes),
                "server": {
                    "name": "Keiken",
                    "signing_keys_url": f"{settings.KEIKEN.site_url}/api/v1/signing-keys",
                },
            }
        )


class AgentsView(ActorView):
    @extend_schema(
        operation_id="list_agents", tags=["accounts"], responses={200: AgentShape(many=True), **refusals(401, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        self.actor.require("read")
        rows = organization_for(self.actor, organization).agents.order_by("name")
        return Response(AgentShape(rows, many=True).data)

    @extend_schema(
        operation_id="create_agent",
        tags=["accounts"],
        request=AgentShape,
        responses={201: AgentShape, **refusals(401, 403, 404, 409, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        self.actor.require("admin")
        found = organization_for(self.actor, organization)
        agent = create_agent(actor=self.actor, organization=found, name=str(request.data.get("name", "")))
        return Response(AgentShape(agent).data, status=201)


class KeysView(ActorView):
    @extend_schema(
        operation_id="list_keys", tags=["accounts"], responses={200: KeyShape(many=True), **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        self.actor.require("admin")
        rows = (
            organization_for(self.actor, organization).api_keys.select_related("agent", "person").order_by("-pk")[:200]
        )
        return Response(KeyShape(rows, many=True).data)

    @extend_schema(
        operation_id="issue_key",
        tags=["accounts"],
        request=NewKey,
        responses={201: MadeKey, **refusals(400, 401, 403, 404, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        self.actor.require("admin")
        found = organization_for(self.actor, organization)
        wanted = checked(NewKey, request.data)
        agent = found.agents.filter(name=wanted.pop("agent")).first()
        if agent is None:
            raise NotFound("agent")
        row, text = issue_key(actor=self.actor, organization=found, agent=agent, **wanted)
        return Response({**KeyShape(row).data, "key": text}, status=201)


class KeyView(ActorView):
    @extend_schema(operation_id="revoke_key", tags=["accounts"], responses={204: None, **refusals(401, 403, 404)})
    def delete(self, request: Request, organization: str, prefix: str) -> Response:
        self.actor.require("read")
        key = organization_for(self.actor, organization).api_keys.filter(prefix=prefix).first()
        if key is None:
            raise NotFound("key")
        revoke_key(actor=self.actor, key=key)
        return Response(status=204)


class AuditView(ActorView):
    """The organization's audit trail, newest first. For its owners."""

    @extend_schema(
        operation_id="list_audit", tags=["accounts"], responses={200: AuditShape(many=True), **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        self.actor.require("admin")
        rows = AuditEntry.objects.filter(organization=organization_for(self.actor, organization))
        paging = AuditPaging()
        found = paging.paginate_queryset(rows, request, view=self)
        return paging.get_paginated_response(AuditShape(found, many=True).data)
