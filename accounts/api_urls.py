"""Addresses of accounts below /api/v1/."""

from django.urls import path

from accounts import api

urlpatterns = [
    path("me", api.MeView.as_view(), name="api_me"),
    path("organizations/<slug:organization>/agents", api.AgentsView.as_view(), name="api_agents"),
    path("organizations/<slug:organization>/keys", api.KeysView.as_view(), name="api_keys"),
    path("organizations/<slug:organization>/keys/<slug:prefix>", api.KeyView.as_view(), name="api_key"),
    path("organizations/<slug:organization>/audit", api.AuditView.as_view(), name="api_audit"),
]
