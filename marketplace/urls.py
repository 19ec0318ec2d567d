"""All addresses of the site: pages here, the API in api_urls.py."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from marketplace.api.root import UnknownAddressView
from marketplace.pages import (
    account,
    appearance,
    audit,
    browse,
    buying,
    experience,
    frontier,
    home,
    invitations,
    live,
    offers,
    organizations,
    profiles,
    proofs,
    publishing,
    reverification,
    sales,
    uploads,
    webhooks,
)
from marketplace.pages.moderation import case, queue, report_listing, report_rating
from marketplace.pages.reviews import give_rating, rating, ratings

EXPERIENCE = "experiences/<slug:organization>/<slug:name>"
ORGANIZATION = "organizations/<slug:slug>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("healthz", home.healthz, name="healthz"),
    path("browse", browse.browse, name="browse"),
    path("environments", proofs.matrix, name="matrix"),
    path("badges/<slug:organization>/<slug:name>.svg", proofs.badge, name="badge"),
    path("facts", browse.facts, name="facts"),
    path("theme", appearance.set_theme, name="set_theme"),
    path("", include("marketplace.shop_urls")),
    path("i18n/setlang/", account.set_language, name="set_language"),
    path("account", account.account, name="account"),
    path("account/export", account.order_export, name="account_order_export"),
    path("account/export/<uuid:number>", account.export, name="account_export"),
    path("account/delete", account.delete_account, name="account_delete"),
    path("invitations/<str:token>", invitations.invitation, name="invitation"),
    path(EXPERIENCE, experience.experience, name="experience"),
    path(f"{EXPERIENCE}/ratings", ratings, name="ratings"),
    path(f"{EXPERIENCE}/rate", give_rating, name="rate"),
    path("ratings/<int:number>", rating, name="rating"),
    path("ratings/<int:number>/report", report_rating, name="report_rating"),
    path(f"{EXPERIENCE}/report", report_listing, name="report_listing"),
    path("moderation", queue, name="moderation"),
    path("moderation/<uuid:number>", case, name="case"),
    path(f"{EXPERIENCE}/offers/new", offers.new_offer, name="new_offer"),
    path(f"{EXPERIENCE}/offers/<uuid:offer_id>", offers.offer, name="offer"),
    path(f"{EXPERIENCE}/<str:version>/verifications/<uuid:number>", proofs.verification, name="verification"),
    path(f"{EXPERIENCE}/<str:version>/verifications/<uuid:number>/live", live.live, name="live"),
    path(f"{EXPERIENCE}/<str:version>/verifications/<uuid:number>/attestation", proofs.attestation, name="attestation"),
    path(f"{EXPERIENCE}/<str:version>/frontier", frontier.shown, name="frontier"),
    path(f"{EXPERIENCE}/<str:version>/frontier/explore", frontier.explore, name="explore_frontier"),
    path(f"{EXPERIENCE}/<str:version>/frontier/accept", frontier.accept, name="accept_proposal"),
    path(f"{EXPERIENCE}/<str:version>", experience.version, name="version"),
    path("organizations/new", organizations.new_organization, name="new_organization"),
    path("acting-organization", organizations.switch_organization, name="switch_organization"),
    path(ORGANIZATION, organizations.members, name="organization"),
    path(f"{ORGANIZATION}/hand-over", invitations.hand_over, name="organization_hand_over"),
    path(f"{ORGANIZATION}/agents", organizations.agents, name="organization_agents"),
    path(f"{ORGANIZATION}/environments", profiles.profiles, name="organization_profiles"),
    path(f"{ORGANIZATION}/environments/<slug:name>", profiles.profile, name="organization_profile"),
    path(f"{ORGANIZATION}/webhooks", webhooks.webhooks, name="organization_webhooks"),
    path(f"{ORGANIZATION}/webhooks/<uuid:number>", webhooks.webhook, name="organization_webhook"),
    path(f"{ORGANIZATION}/licenses", organizations.licenses, name="organization_licenses"),
    path(f"{ORGANIZATION}/orders/<int:number>", buying.order, name="order"),
    path(f"{ORGANIZATION}/orders/<int:number>.pdf", buying.invoice, name="invoice"),
    path(f"{ORGANIZATION}/sales", sales.sales, name="organization_sales"),
    path(f"{ORGANIZATION}/statements/<str:month>.csv", sales.statement, {"ending": "csv"}, name="statement_csv"),
    path(f"{ORGANIZATION}/statements/<str:month>.pdf", sales.statement, {"ending": "pdf"}, name="statement_pdf"),
    path(f"{ORGANIZATION}/experiences", organizations.published, name="organization_experiences"),
    path(f"{ORGANIZATION}/experiences/new", uploads.upload, name="upload"),
    path(f"{ORGANIZATION}/experiences/<slug:name>", publishing.published_experience, name="organization_experience"),
    path(f"{ORGANIZATION}/audit", audit.audit, name="organization_audit"),
    path(f"{ORGANIZATION}/audit.csv", audit.audit_csv, name="organization_audit_csv"),
    path(f"{ORGANIZATION}/reverification", reverification.reverification, name="organization_reverification"),
    path("accounts/", include("allauth.urls")),
    path("operator/invoices", sales.invoices, name="operator_invoices"),
    path("operator/", admin.site.urls),
    path("api/v1/", include("marketplace.api_urls")),
    re_path("^api/", UnknownAddressView.as_view()),
]

handler400 = "marketplace.pages.errors.bad_request"
handler403 = "marketplace.pages.errors.permission_denied"
handler404 = "marketplace.pages.errors.page_not_found"
handler500 = "marketplace.pages.errors.internal_error"
