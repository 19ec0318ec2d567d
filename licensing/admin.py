"""What an operator sees of terms, offers and grants. The use cases make and end them, and audit it."""

from __future__ import annotations

from django.contrib import admin

from accounts.admin import ReadOnly
from licensing.models import Acceptance, Grant, Offer, Terms


class TermsAdmin(ReadOnly):
    list_display = ("organization", "name", "version", "kind", "spdx", "created_at")
    list_filter = ("kind",)
    list_select_related = ("organization",)
    search_fields = ("organization__slug", "name", "spdx", "text_sha256")


class OfferAdmin(ReadOnly):
    list_display = ("experience", "kind", "terms", "grant_days", "is_active", "created_at")
    list_filter = ("kind", "is_active")
    list_select_related = ("experience__organization", "terms")
    search_fields = ("experience__name", "experience__organization__slug")


class AcceptanceAdmin(ReadOnly):
    list_display = ("at", "organization", "accepted_by_kind", "accepted_by_name", "offer", "text_sha256")
    list_select_related = ("organization", "offer__experience__organization")
    search_fields = ("organization__slug", "accepted_by_name", "text_sha256")


class GrantAdmin(ReadOnly):
    list_display = ("experience", "organization", "starts_at", "ends_at", "closed_at", "revoked_at", "revoked_reason")
    list_select_related = ("experience__organization", "organization")
    search_fields = ("experience__name", "experience__organization__slug", "organization__slug")


admin.site.register(Terms, TermsAdmin)
admin.site.register(Offer, OfferAdmin)
admin.site.register(Acceptance, AcceptanceAdmin)
admin.site.register(Grant, GrantAdmin)
