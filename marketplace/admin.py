"""What an operator sees of reports and ratings. Reports are evidence: nobody edits them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from marketplace.models import Rating, ReplayReport

if TYPE_CHECKING:
    ReportAdmin = admin.ModelAdmin[ReplayReport]
    RatingBase = admin.ModelAdmin[Rating]
else:
    # Only the type stubs know the class as generic.
    ReportAdmin = RatingBase = admin.ModelAdmin


class Evidence(ReportAdmin):
    list_display = ("created_at", "organization", "version", "outcome", "code", "environment_name")
    list_filter = ("outcome",)
    search_fields = ("version__experience__name", "organization__slug")
    list_select_related = ("organization", "version__experience__organization")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ReplayReport | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ReplayReport | None = None) -> bool:
        return False


class RatingAdmin(RatingBase):
    list_display = ("changed_at", "experience", "major", "organization", "stars")
    list_select_related = ("experience__organization", "organization")
    readonly_fields = ("experience", "major", "organization", "report", "stars", "created_at", "changed_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


admin.site.register(ReplayReport, Evidence)
admin.site.register(Rating, RatingAdmin)
