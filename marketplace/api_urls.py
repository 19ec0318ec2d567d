"""All addresses of the API, joined from the apps. Whatever is none of them answers with a problem."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from marketplace.api.compare import CompareView
from marketplace.api.download import EntitlementView, PackageView
from marketplace.api.experiences import ExperienceListView, ExperienceView
from marketplace.api.field import RatingView, ReportView
from marketplace.api.frontier import AcceptProposalView, FrontierView
from marketplace.api.license import LicenseView
from marketplace.api.moderation import AppealView, CaseView, ListingAbuseView, RatingAbuseView
from marketplace.api.publishing import FieldMapView
from marketplace.api.reviews import HelpfulView, RatingListView, ReplyView
from marketplace.api.root import IndexView, OpenApiView, UnknownAddressView
from marketplace.api.search import SearchView

EXPERIENCE = "experiences/<slug:organization>/<slug:name>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", IndexView.as_view(), name="api_index"),
    path("openapi.json", OpenApiView.as_view(), name="openapi"),
    path("experiences", ExperienceListView.as_view(), name="api_experiences"),
    path("search", SearchView.as_view(), name="api_search"),
    path(EXPERIENCE, ExperienceView.as_view(), name="api_experience"),
    path(f"{EXPERIENCE}/versions/<str:version>/package", PackageView.as_view(), name="api_package"),
    path(f"{EXPERIENCE}/versions/<str:version>/entitlement", EntitlementView.as_view(), name="api_entitlement"),
    path(f"{EXPERIENCE}/versions/<str:version>/license", LicenseView.as_view(), name="api_license"),
    path(f"{EXPERIENCE}/versions/<str:version>/frontier", FrontierView.as_view(), name="api_frontier"),
    path(f"{EXPERIENCE}/versions/<str:version>/frontier/accept", AcceptProposalView.as_view(), name="api_accept"),
    path(f"{EXPERIENCE}/compare/<str:old>...<str:new>", CompareView.as_view(), name="api_compare"),
    path(f"{EXPERIENCE}/reports", ReportView.as_view(), name="api_reports"),
    path(f"{EXPERIENCE}/rating", RatingView.as_view(), name="api_rating"),
    path(f"{EXPERIENCE}/ratings", RatingListView.as_view(), name="api_ratings"),
    path("ratings/<int:number>/reply", ReplyView.as_view(), name="api_reply"),
    path("ratings/<int:number>/abuse-reports", RatingAbuseView.as_view(), name="api_report_rating"),
    path(f"{EXPERIENCE}/abuse-reports", ListingAbuseView.as_view(), name="api_report_listing"),
    path("cases/<uuid:case>", CaseView.as_view(), name="api_case"),
    path("cases/<uuid:case>/appeal", AppealView.as_view(), name="api_appeal"),
    path("ratings/<int:number>/helpful", HelpfulView.as_view(), name="api_helpful"),
    path(
        "organizations/<slug:organization>/experiences/<slug:name>/field-map",
        FieldMapView.as_view(),
        name="api_field_map",
    ),
    path("", include("accounts.api_urls")),
    path("", include("experiences.api_urls")),
    path("", include("licensing.api_urls")),
    re_path("", UnknownAddressView.as_view(), name="api_unknown"),
]
