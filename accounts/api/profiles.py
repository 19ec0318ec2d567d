"""Environment profiles: the facts of an organization's machines, kept under names."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.access import organization_for, profile_for
from accounts.interface import ActorView, checked, refusals
from accounts.models import EnvironmentProfile
from accounts.services.change_profile import change_profile
from accounts.services.delete_profile import delete_profile
from accounts.services.save_profile import save_profile


class ProfileShape(serializers.Serializer[object]):
    name = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    facts = serializers.DictField(help_text="As 'keiken facts --json' prints them.")
    saved_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    saved_at = serializers.DateTimeField(help_text="When the facts were last taken.")


class ProfileList(serializers.Serializer[object]):
    results = ProfileShape(many=True)


class ProfileRequest(serializers.Serializer[object]):
    facts = serializers.DictField()
    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, allow_null=True, default=None)


class ProfileChange(serializers.Serializer[object]):
    name = serializers.CharField(max_length=200, required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=1000, required=False, allow_blank=True, allow_null=True, default=None)


class ProfileListView(ActorView):
    """The profiles of an organization, by name."""

    @extend_schema(
        operation_id="list_environment_profiles",
        tags=["accounts"],
        responses={200: ProfileList, **refusals(401, 403, 404)},
    )
    def get(self, request: Request, organization: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("read", found.pk)
        return Response({"results": [_profile(row) for row in selectors.profiles_of(found)]})


class ProfileView(ActorView):
    """One profile."""

    @extend_schema(
        operation_id="get_environment_profile",
        tags=["accounts"],
        responses={200: ProfileShape, **refusals(401, 403, 404)},
    )
    def get(self, request: Request, organization: str, name: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("read", found.pk)
        return Response(_profile(profile_for(found, name)))

    @extend_schema(
        operation_id="save_environment_profile",
        tags=["accounts"],
        request=ProfileRequest,
        responses={200: ProfileShape, 201: ProfileShape, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def put(self, request: Request, organization: str, name: str) -> Response:
        """Keep facts under this name; 201 for a new one, 200 where a known one takes them anew."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("report", found.pk)
        wanted = checked(ProfileRequest, request.data)
        row, is_new = save_profile(
            actor=actor, organization=found, name=name, facts=wanted["facts"], note=wanted["note"]
        )
        return Response(_profile(row), status=201 if is_new else 200)

    @extend_schema(
        operation_id="change_environment_profile",
        tags=["accounts"],
        request=ProfileChange,
        responses={200: ProfileShape, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def patch(self, request: Request, organization: str, name: str) -> Response:
        """Give it another name or note."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("report", found.pk)
        profile = profile_for(found, name)
        wanted = checked(ProfileChange, request.data)
        return Response(_profile(change_profile(actor=actor, profile=profile, **wanted)))

    @extend_schema(
        operation_id="delete_environment_profile",
        tags=["accounts"],
        responses={204: None, **refusals(401, 403, 404)},
    )
    def delete(self, request: Request, organization: str, name: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("report", found.pk)
        delete_profile(actor=actor, profile=profile_for(found, name))
        return Response(status=204)


def _profile(row: EnvironmentProfile) -> dict[str, Any]:
    return {
        "name": row.name,
        "note": row.note,
        "facts": row.facts,
        "saved_by": row.saved_by_name,
        "created_at": row.created_at,
        "saved_at": row.saved_at,
    }
