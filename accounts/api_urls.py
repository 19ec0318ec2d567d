"""The addresses of accounts under /api/v1/."""

from __future__ import annotations

from django.urls import path

from accounts.api import agents, invitations, organizations, profiles, webhooks

ORGANIZATION = "organizations/<slug:organization>"
WEBHOOK = f"{ORGANIZATION}/webhooks/<uuid:webhook>"

urlpatterns = [
    path("me", organizations.MeView.as_view(), name="api_me"),
    path("organizations", organizations.OrganizationListView.as_view(), name="api_organizations"),
    path(ORGANIZATION, organizations.OrganizationView.as_view(), name="api_organization"),
    path(f"{ORGANIZATION}/members", organizations.MemberListView.as_view(), name="api_members"),
    path(f"{ORGANIZATION}/members/<int:person>", organizations.MemberView.as_view(), name="api_member"),
    path(f"{ORGANIZATION}/invitations", invitations.InvitationListView.as_view(), name="api_invitations"),
    path(f"{ORGANIZATION}/invitations/<uuid:invitation>", invitations.InvitationView.as_view(), name="api_invitation"),
    path(f"{ORGANIZATION}/transfer", invitations.TransferView.as_view(), name="api_transfer"),
    path(f"{ORGANIZATION}/agents", agents.AgentListView.as_view(), name="api_agents"),
    path(f"{ORGANIZATION}/agents/<slug:agent>", agents.AgentView.as_view(), name="api_agent"),
    path(f"{ORGANIZATION}/keys", agents.KeyListView.as_view(), name="api_keys"),
    path(f"{ORGANIZATION}/keys/<slug:prefix>", agents.KeyView.as_view(), name="api_key"),
    path(f"{ORGANIZATION}/environment-profiles", profiles.ProfileListView.as_view(), name="api_environment_profiles"),
    path(
        f"{ORGANIZATION}/environment-profiles/<slug:name>",
        profiles.ProfileView.as_view(),
        name="api_environment_profile",
    ),
    path(f"{ORGANIZATION}/webhooks", webhooks.WebhookListView.as_view(), name="api_webhooks"),
    path(WEBHOOK, webhooks.WebhookView.as_view(), name="api_webhook"),
    path(f"{WEBHOOK}/secret", webhooks.WebhookSecretView.as_view(), name="api_webhook_secret"),
    path(f"{WEBHOOK}/test", webhooks.WebhookTestView.as_view(), name="api_webhook_test"),
    path(f"{WEBHOOK}/deliveries", webhooks.DeliveryListView.as_view(), name="api_webhook_deliveries"),
    path(f"{WEBHOOK}/deliveries/<int:delivery>/redeliver", webhooks.RedeliveryView.as_view(), name="api_redeliver"),
    path(f"{ORGANIZATION}/audit", organizations.AuditView.as_view(), name="api_audit"),
]
