"""What the API takes and gives about who, as typed serializers: they check requests and are its description."""

from __future__ import annotations

from rest_framework import serializers

from accounts.actors import SCOPES
from accounts.interface import PageQuery
from accounts.models import Membership

ROLES = Membership.Role.values


class Principal(serializers.Serializer[object]):
    kind = serializers.ChoiceField(["person", "agent"])
    name = serializers.CharField()


class OrganizationBrief(serializers.Serializer[object]):
    slug = serializers.CharField()
    name = serializers.CharField()


class Server(serializers.Serializer[object]):
    name = serializers.CharField()
    signing_keys_url = serializers.CharField()


class Me(serializers.Serializer[object]):
    principal = Principal()
    organization = OrganizationBrief(allow_null=True)
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    server = Server()


class Organization(OrganizationBrief):
    created_at = serializers.DateTimeField()


class OrganizationList(serializers.Serializer[object]):
    results = Organization(many=True)


class OrganizationRequest(serializers.Serializer[object]):
    slug = serializers.CharField(max_length=200)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class Member(serializers.Serializer[object]):
    id = serializers.IntegerField(help_text="The person's number.")
    name = serializers.CharField(allow_blank=True)
    email = serializers.EmailField()
    role = serializers.ChoiceField(ROLES)
    since = serializers.DateTimeField()


class MemberList(serializers.Serializer[object]):
    results = Member(many=True)


class MemberRequest(serializers.Serializer[object]):
    email = serializers.EmailField(max_length=254)
    role = serializers.CharField(max_length=40, help_text="owner, publisher, buyer or viewer.")


class RoleRequest(serializers.Serializer[object]):
    role = serializers.CharField(max_length=40, help_text="owner, publisher, buyer or viewer.")


class Agent(serializers.Serializer[object]):
    name = serializers.CharField()
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class AgentList(serializers.Serializer[object]):
    results = Agent(many=True)


class AgentRequest(serializers.Serializer[object]):
    name = serializers.CharField(max_length=200, help_text="Lower-case letters, digits and single hyphens.")


class Key(serializers.Serializer[object]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The public part: the key begins with kk_<prefix>_.")
    holder = Principal()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewKey(Key):
    key = serializers.CharField(help_text="The key itself. It is in this one answer and kept nowhere.")


class KeyPage(serializers.Serializer[object]):
    results = Key(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)


class KeyRequest(serializers.Serializer[object]):
    name = serializers.CharField(max_length=200)
    agent = serializers.CharField(
        max_length=64, required=False, allow_null=True, default=None, help_text="An agent's name; without it, for you."
    )
    scopes = serializers.ListField(child=serializers.CharField(max_length=20), max_length=20)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class AuditActor(serializers.Serializer[object]):
    kind = serializers.CharField()
    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(allow_blank=True)
    api_key_id = serializers.IntegerField(allow_null=True, help_text="null: a session, or the platform itself.")


class AuditEntry(serializers.Serializer[object]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = AuditActor()
    action = serializers.CharField()
    target = serializers.CharField()
    details = serializers.DictField()


class AuditQuery(PageQuery):
    actor = serializers.CharField(required=False, allow_blank=True, default="", help_text="Part of who did it.")
    action = serializers.CharField(required=False, allow_blank=True, default="", help_text="How it begins: key.")
    target = serializers.CharField(required=False, allow_blank=True, default="", help_text="Part of what it was on.")
    since = serializers.CharField(required=False, allow_blank=True, default="", help_text="A day, as 2026-11-28.")
    until = serializers.CharField(required=False, allow_blank=True, default="", help_text="The last day, in UTC.")


class AuditPage(serializers.Serializer[object]):
    results = AuditEntry(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)
