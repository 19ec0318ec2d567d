"""Addresses of experiences below /api/v1/."""

from django.urls import path

from experiences import api, evidence_api

VERSION = "experiences/<slug:organization>/<slug:name>/versions/<str:version>"

urlpatterns = [
    path("signing-keys", api.SigningKeysView.as_view(), name="api_signing_keys"),
    path("organizations/<slug:organization>/versions", api.PublishView.as_view(), name="api_publish"),
    path(VERSION, api.VersionView.as_view(), name="api_version"),
    path(f"{VERSION}/attestations", api.AttestationsView.as_view(), name="api_attestations"),
    path(f"{VERSION}/evidence", evidence_api.EvidenceView.as_view(), name="api_evidence"),
    path(f"{VERSION}/verifications", api.VerificationsView.as_view(), name="api_verifications"),
    path(f"{VERSION}/yank", api.YankView.as_view(), name="api_yank"),
]
