"""What an operator sees of people and organizations. Changes go through the use cases, so that they are audited;
only a person's account can be switched off here, because that must be possible when nobody else can act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from accounts.actors import Actor
from accounts.models import Agent, ApiKey, AuditEntry, Membership, Organization, Person
from accounts.services import audit

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Any]
    PersonBase = admin.ModelAdmin[Person]
else:
    # Only the type stubs know the class as generic.
    ReadOnlyBase = PersonBase = admin.ModelAdmin


class ReadOnly(ReadOnlyBase):
    """Looked at, never touched."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PersonAdmin(PersonBase):
    list_display = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    fields = ("email", "name", "language", "is_active", "is_staff", "date_joined", "last_login")
    readonly_fields = ("email", "name", "language", "is_staff", "date_joined", "last_login")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Person | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Person, form: Any, change: bool) -> None:
        # The admin's change view is one transaction already: the row and its audit row go together.
        super().save_model(request, obj, form, change)
        if "is_active" in form.changed_data:
            operator = Actor(kind="person", id=request.user.pk, name=str(request.user), is_operator=True)
            action = "person.activate" if obj.is_active else "person.deactivate"
            audit.record(actor=operator, action=action, target=obj.email)


class OrganizationAdmin(ReadOnly):
    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")


class MembershipAdmin(ReadOnly):
    list_display = ("organization", "person", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("organization", "person")
    search_fields = ("organization__slug", "person__email")


class AgentAdmin(ReadOnly):
    list_display = ("organization", "name", "is_active", "created_at")
    list_select_related = ("organization",)
    search_fields = ("organization__slug", "name")


class ApiKeyAdmin(ReadOnly):
    list_display = ("prefix", "organization", "name", "agent", "person", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("organization", "agent", "person")
    search_fields = ("prefix", "organization__slug")
    exclude = ("secret_sha256",)


class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "organization", "actor_kind", "actor_name", "action", "target")
    list_filter = ("actor_kind",)
    list_select_related = ("organization",)
    search_fields = ("action", "target", "actor_name", "organization__slug")
    show_full_result_count = False


admin.site.register(Person, PersonAdmin)
admin.site.register(Organization, OrganizationAdmin)
admin.site.register(Membership, MembershipAdmin)
admin.site.register(Agent, AgentAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)
admin.site.register(AuditEntry, AuditEntryAdmin)
