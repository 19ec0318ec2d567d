"""What an operator sees of experiences and their proofs. Nothing is edited here: verdicts are evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from experiences.models import (
    Attestation,
    CheckStrength,
    Environment,
    Experience,
    PublicKey,
    Verification,
    Version,
    Worker,
)

if TYPE_CHECKING:
    ReadOnlyBase = admin.ModelAdmin[Any]
else:
    # Only the type stubs know the class as generic.
    ReadOnlyBase = admin.ModelAdmin


class ReadOnly(ReadOnlyBase):
    """Looked at, never touched."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ExperienceAdmin(ReadOnly):
    list_display = ("organization", "name", "title", "visibility", "latest", "created_at")
    list_filter = ("visibility",)
    search_fields = ("name", "title", "organization__slug")
    list_select_related = ("organization", "latest__experience__organization")


class VersionAdmin(ReadOnly):
    list_display = ("experience", "version", "blob_id", "published_by", "published_at", "yanked_at")
    search_fields = ("experience__name", "experience__organization__slug", "blob__digest")
    list_select_related = ("experience__organization",)


class VerificationAdmin(ReadOnly):
    list_display = ("version", "environment_name", "state", "verdict", "attempts", "quarantined_at", "operator_note")
    list_filter = ("state", "verdict", "environment_name", "trigger")
    search_fields = ("version__experience__name", "version__experience__organization__slug")
    list_select_related = ("version__experience__organization",)


class AttestationAdmin(ReadOnly):
    list_display = ("id", "verification", "created_at")
    list_select_related = ("verification__version__experience__organization",)


class EnvironmentAdmin(ReadOnly):
    list_display = ("name", "digest", "first_seen_at")
    search_fields = ("name", "digest")


class CheckStrengthAdmin(ReadOnly):
    list_display = ("version", "environment", "caught", "n", "created_at")
    search_fields = ("version__experience__name", "version__experience__organization__slug")
    list_select_related = ("version__experience__organization", "environment")


class WorkerAdmin(ReadOnly):
    list_display = ("name", "driver", "isolation", "slots", "is_draining", "seen_at", "note")


class PublicKeyAdmin(ReadOnly):
    list_display = ("key_id", "not_before", "retired_at")


admin.site.register(Experience, ExperienceAdmin)
admin.site.register(Version, VersionAdmin)
admin.site.register(Verification, VerificationAdmin)
admin.site.register(Attestation, AttestationAdmin)
admin.site.register(Environment, EnvironmentAdmin)
admin.site.register(PublicKey, PublicKeyAdmin)
admin.site.register(Worker, WorkerAdmin)
admin.site.register(CheckStrength, CheckStrengthAdmin)
