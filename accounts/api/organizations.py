"""Oneself, one's organizations, their members and their audit trail."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.access import insight_for, member_for, organization_for, organizations_of
from accounts.actors import SCOPES
from accounts.api import shapes
from accounts.domain.audit_filters import read_filter
from accounts.domain.refusals import Forbidden
from accounts.interface import ActorView, checked, refusals
from accounts.models import AuditEntry, Membership, Organization, Person
from accounts.paging import page
from accounts.services.add_member import add_member
from accounts.services.change_role import change_role
from accounts.services.create_organization import create_organization
from accounts.services.remove_member import remove_member


class MeView(ActorView):
    """Who this key or session is, and what it may do."""

    @extend_schema(operation_id="get_me", tags=["accounts"], responses={200: shapes.Me, **refusals(401)})
    def get(self, request: Request) -> Response:
        actor = self.actor
        actor.require_known()
        organization = None
        if actor.organization_id is not None:
            organization = organization_brief(organization_for(actor, actor.organization_slug))
        return Response(
            {
                "principal": {"kind": actor.kind, "name": actor.name},
                "organization": organization,
                "scopes": [scope for scope in SCOPES if scope in actor.scopes],
                "server": {
                    "name": "Keiken",
                    "signing_keys_url": f"{settings.KEIKEN.site_url}/api/v1/signing-keys",
                },
            }
        )


class OrganizationListView(ActorView):
    """The organizations one belongs to; a person in a session founds new ones."""

    @extend_schema(
        operation_id="list_organizations",
        tags=["accounts"],
        responses={200: shapes.OrganizationList, **refusals(401, 403)},
    )
    def get(self, request: Request) -> Response:
        return Response({"results": [_organization(row) for row in organizations_of(self.actor)]})

    @extend_schema(
        operation_id="create_organization",
        tags=["accounts"],
        request=shapes.OrganizationRequest,
        responses={201: shapes.Organization, **refusals(400, 401, 403, 409, 415, 422)},
    )
    def post(self, request: Request) -> Response:
        actor = self.actor
        actor.require_known()
        if actor.api_key_id is not None or not isinstance(request.user, Person):
            raise Forbidden(
                "session_required",
                _("Organizations are founded by people who are signed in, not with a key."),
                _("Sign in on the site."),
            )
        wanted = checked(shapes.OrganizationRequest, request.data)
        made = create_organization(person=request.user, slug=wanted["slug"], name=wanted["name"])
        return Response(_organization(made), status=201)


class OrganizationView(ActorView):
    """One organization, for those who belong to it."""

    @extend_schema(
        operation_id="get_organization", tags=["accounts"], responses={200: shapes.Organization, **refusals(401, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        return Response(_organization(organization_for(self.actor, organization)))


class MemberListView(ActorView):
    """The people of an organization and their roles."""

    @extend_schema(
        operation_id="list_members", tags=["accounts"], responses={200: shapes.MemberList, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        found = insight_for(self.actor, organization)
        return Response({"results": [_member(row) for row in selectors.members_of(found)]})

    @extend_schema(
        operation_id="add_member",
        tags=["accounts"],
        request=shapes.MemberRequest,
        responses={201: shapes.Member, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        wanted = checked(shapes.MemberRequest, request.data)
        made = add_member(actor=actor, organization=found, email=wanted["email"], role=wanted["role"])
        return Response(_member(made), status=201)


class MemberView(ActorView):
    """One member: change the role, or end the membership."""

    @extend_schema(
        operation_id="change_role",
        tags=["accounts"],
        request=shapes.RoleRequest,
        responses={200: shapes.Member, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def patch(self, request: Request, organization: str, person: int) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        member = member_for(found, person)
        wanted = checked(shapes.RoleRequest, request.data)
        change_role(actor=actor, organization=found, person=member.person, role=wanted["role"])
        return Response(_member(member_for(found, person)))

    @extend_schema(
        operation_id="remove_member", tags=["accounts"], responses={204: None, **refusals(401, 403, 404, 409)}
    )
    def delete(self, request: Request, organization: str, person: int) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        remove_member(actor=actor, organization=found, person=member_for(found, person).person)
        return Response(status=204)


class AuditView(ActorView):
    """What was done by and for an organization, newest first. Nobody can change or delete these rows."""

    @extend_schema(
        operation_id="list_audit_entries",
        tags=["accounts"],
        parameters=[shapes.AuditQuery],
        responses={200: shapes.AuditPage, **refusals(400, 401, 403, 404, 422)},
    )
    def get(self, request: Request, organization: str) -> Response:
        found = insight_for(self.actor, organization)
        query = checked(shapes.AuditQuery, request.query_params)
        rows = page(selectors.audit_entries_of(found, read_filter(query)), query["cursor"], query["limit"])
        return Response({"results": [_audit_entry(row) for row in rows], "next": rows.next, "previous": rows.previous})


def organization_brief(organization: Organization) -> dict[str, str]:
    return {"slug": organization.slug, "name": organization.name}


def _organization(organization: Organization) -> dict[str, Any]:
    return {**organization_brief(organization), "created_at": organization.created_at}


def _member(member: Membership) -> dict[str, Any]:
    return {
        "id": member.person_id,
        "name": member.person.name,
        "email": member.person.email,
        "role": member.role,
        "since": member.created_at,
    }


def _audit_entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "at": entry.at,
        "actor": {
            "kind": entry.actor_kind,
            "id": entry.actor_id,
            "name": entry.actor_name,
            "api_key_id": entry.api_key_id,
        },
        "action": entry.action,
        "target": entry.target,
        "details": entry.details,
    }
