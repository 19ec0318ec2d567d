"""Addresses of experiences below /api/v1/."""

from django.urls import path

from experiences import api, evidence_api, log_api, progress_api, reverification_api

VERSION = "experiences/<slug:organization>/<slug:name>/versions/<str:version>"

urlpatterns = [
    path("signing-keys", api.SigningKeysView.as_view(), name="api_signing_keys"),
    path("verification-policy", log_api.PolicyView.as_view(), name="api_verification_policy"),
    path(
        "verification-policies/<str:digest>",
        log_api.AppliedPolicyView.as_view(),
        name="api_applied_policy",
    ),
    path("log/checkpoint", log_api.CheckpointView.as_view(), name="api_log_checkpoint"),
    path("log/entries", log_api.EntriesView.as_view(), name="api_log_entries"),
    path("log/inclusion", log_api.InclusionView.as_view(), name="api_log_inclusion"),
    path("log/consistency", log_api.ConsistencyView.as_view(), name="api_log_consistency"),
    path("organizations/<slug:organization>/versions", api.PublishView.as_view(), name="api_publish"),
    path(
        "organizations/<slug:organization>/reverification",
        reverification_api.ReverificationView.as_view(),
        name="api_reverification",
    ),
    path(VERSION, api.VersionView.as_view(), name="api_version"),
    path(
        f"{VERSION}/independent-statements",
        log_api.IndependentStatementsView.as_view(),
        name="api_independent_statements",
    ),
    path(f"{VERSION}/attestations", api.AttestationsView.as_view(), name="api_attestations"),
    path(f"{VERSION}/evidence", evidence_api.EvidenceView.as_view(), name="api_evidence"),
    path(f"{VERSION}/progress", progress_api.ProgressView.as_view(), name="api_progress"),
    path(f"{VERSION}/verifications", api.VerificationsView.as_view(), name="api_verifications"),
    path(f"{VERSION}/yank", api.YankView.as_view(), name="api_yank"),
]
