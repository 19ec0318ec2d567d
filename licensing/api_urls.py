"""Addresses of licensing below /api/v1/."""

from django.urls import path

from licensing import api

urlpatterns = [
    path("organizations/<slug:organization>/terms", api.OrganizationTermsView.as_view(), name="api_organization_terms"),
    path("terms/<str:terms>", api.TermsView.as_view(), name="api_terms"),
    path("experiences/<slug:organization>/<slug:name>/offers", api.OffersView.as_view(), name="api_offers"),
    path("offers/<str:offer>/acceptances", api.AcceptancesView.as_view(), name="api_acceptances"),
    path("grants", api.GrantsView.as_view(), name="api_grants"),
    path("grants/<str:grant>", api.GrantView.as_view(), name="api_grant"),
]
