"""The addresses of licensing under /api/v1/."""

from __future__ import annotations

from django.urls import path

from licensing import api

urlpatterns = [
    path("organizations/<slug:organization>/terms", api.OrganizationTermsView.as_view(), name="api_organization_terms"),
    path("terms/<str:terms>", api.TermsView.as_view(), name="api_terms"),
    path("experiences/<slug:organization>/<slug:name>/offers", api.OfferListView.as_view(), name="api_offers"),
    path("offers/<str:offer>", api.OfferView.as_view(), name="api_offer"),
    path("offers/<str:offer>/acceptances", api.AcceptanceListView.as_view(), name="api_acceptances"),
    path("grants", api.GrantListView.as_view(), name="api_grants"),
    path("grants/<str:grant>", api.GrantView.as_view(), name="api_grant"),
]
