"""Agents and API keys of an organization."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.access import agent_for, insight_for, key_for, organization_for
from accounts.api import shapes
from accounts.interface import ActorView, PageQuery, checked, refusals
from accounts.models import Agent, ApiKey, Person
from accounts.paging import page
from accounts.services.create_agent import create_agent
from accounts.services.deactivate_agent import deactivate_agent
from accounts.services.issue_key import issue_key
from accounts.services.revoke_key import revoke_key


class AgentListView(ActorView):
    """The programs that act for an organization in their own name."""

    @extend_schema(
        operation_id="list_agents", tags=["accounts"], responses={200: shapes.AgentList, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("read", found.pk)
        return Response({"results": [_agent(row) for row in selectors.agents_of(found)]})

    @extend_schema(
        operation_id="create_agent",
        tags=["accounts"],
        request=shapes.AgentRequest,
        responses={201: shapes.Agent, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        wanted = checked(shapes.AgentRequest, request.data)
        return Response(_agent(create_agent(actor=actor, organization=found, name=wanted["name"])), status=201)


class AgentView(ActorView):
    """One agent."""

    @extend_schema(
        operation_id="deactivate_agent", tags=["accounts"], responses={200: shapes.Agent, **refusals(401, 403, 404)}
    )
    def delete(self, request: Request, organization: str, agent: str) -> Response:
        """Switch it off for good and revoke its keys. It stays listed, for the audit trail names it."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        return Response(_agent(deactivate_agent(actor=actor, agent=agent_for(found, agent))))


class KeyListView(ActorView):
    """API keys, without their secrets."""

    @extend_schema(
        operation_id="list_keys",
        tags=["accounts"],
        parameters=[PageQuery],
        responses={200: shapes.KeyPage, **refusals(400, 401, 403, 404)},
    )
    def get(self, request: Request, organization: str) -> Response:
        found = insight_for(self.actor, organization)
        query = checked(PageQuery, request.query_params)
        rows = page(selectors.keys_of(found), query["cursor"], query["limit"])
        return Response({"results": [_key(row) for row in rows], "next": rows.next, "previous": rows.previous})

    @extend_schema(
        operation_id="issue_key",
        tags=["accounts"],
        request=shapes.KeyRequest,
        responses={201: shapes.NewKey, **refusals(400, 401, 403, 404, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        """Make a key for an agent, or for oneself. The answer holds the key; it cannot be shown again."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("read", found.pk)
        wanted = checked(shapes.KeyRequest, request.data)
        row, secret = issue_key(
            actor=actor,
            organization=found,
            agent=agent_for(found, wanted["agent"]) if wanted["agent"] else None,
            person=request.user if not wanted["agent"] and isinstance(request.user, Person) else None,
            name=wanted["name"],
            scopes=wanted["scopes"],
            expires_at=wanted["expires_at"],
        )
        return Response({**_key(row), "key": secret}, status=201, headers={"Cache-Control": "no-store"})


class KeyView(ActorView):
    """One key."""

    @extend_schema(operation_id="revoke_key", tags=["accounts"], responses={204: None, **refusals(401, 403, 404)})
    def delete(self, request: Request, organization: str, prefix: str) -> Response:
        """Revoke it: it is refused from the next request on. An owner any key, a person theirs, a key itself."""
        actor = self.actor
        revoke_key(actor=actor, key=key_for(organization_for(actor, organization), prefix))
        return Response(status=204)


def _agent(agent: Agent) -> dict[str, Any]:
    return {"name": agent.name, "is_active": agent.is_active, "created_at": agent.created_at}


def _key(key: ApiKey) -> dict[str, Any]:
    holder = key.agent or key.person
    return {
        "id": key.pk,
        "name": key.name,
        "prefix": key.prefix,
        "holder": {"kind": "agent" if key.agent_id else "person", "name": str(holder)},
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }
