"""All addresses of the site, and who looks at which: the table that drives the checks of every page.

A new address belongs in ``VISITS``, or in ``NO_PAGES`` with the reason why nobody looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Visit:
    """``name`` in marketplace/urls.py, the path with places of the World, and the person who goes there."""

    name: str
    path: str
    who: str = "stranger"
    status: int = 200

    def __str__(self) -> str:
        return f"{self.who}:{self.name}"


VISITS: Final = (
    Visit("home", "/"),
    Visit("home", "/", "publisher"),
    Visit("browse", "/browse"),
    Visit("browse", "/browse?q=greeting", "member"),
    Visit("browse", "/browse?q=nothing-like-it"),
    Visit("matrix", "/environments"),
    Visit("experience", "{experience}"),
    Visit("experience", "{experience}", "member"),
    Visit("experience", "{experience}", "publisher"),
    Visit("publisher", "/publishers/acme"),
    Visit("compare", "{experience}/compare/1.0.0...1.1.0"),
    Visit("provenance", "{experience}/1.0.0/provenance"),
    Visit("version", "{experience}/1.0.0"),
    Visit("runbook", "{experience}/1.0.0/runbook", "buyer"),
    Visit("publisher", "/publishers/acme", "publisher"),
    Visit("verification", "{experience}/1.0.0/verifications/{proof}"),
    Visit("live", "{experience}/1.1.0/verifications/{running}/live", "publisher"),
    Visit("ratings", "{experience}/ratings"),
    Visit("rate", "{experience}/rate", "buyer"),
    Visit("rating", "/ratings/{rating}"),
    Visit("rating", "/ratings/{rating}", "publisher"),
    Visit("report_rating", "/ratings/{rating}/report", "publisher"),
    Visit("report_listing", "{experience}/report", "member"),
    Visit("moderation", "/moderation", "operator"),
    Visit("case", "/moderation/{complaint}", "operator"),
    Visit("case", "/moderation/{complaint}", "publisher"),
    Visit("frontier", "{experience}/1.0.0/frontier", "publisher"),
    Visit("offer", "{experience}/offers/{offer}"),
    Visit("offer", "{experience}/offers/{offer}", "buyer"),
    Visit("offer", "/experiences/acme/sell-greeting/offers/{priced}", "buyer"),
    Visit("new_offer", "{experience}/offers/new", "publisher"),
    Visit("new_organization", "/organizations/new", "newcomer"),
    Visit("organization", "/organizations/acme", "publisher"),
    Visit("organization", "/organizations/globex", "member"),
    Visit("organization_agents", "/organizations/globex/agents", "buyer"),
    Visit("organization_profiles", "/organizations/globex/environments", "buyer"),
    Visit("organization_profile", "/organizations/globex/environments/build-box", "buyer"),
    Visit("organization_webhooks", "/organizations/acme/webhooks", "publisher"),
    Visit("organization_webhook", "/organizations/acme/webhooks/{webhook}", "publisher"),
    Visit("organization_hand_over", "/organizations/globex/hand-over", "buyer"),
    Visit("invitation", "/invitations/{invitation}"),
    Visit("invitation", "/invitations/{invitation}", "newcomer"),
    Visit("organization_licenses", "/organizations/globex/licenses", "buyer"),
    Visit("order", "/organizations/globex/orders/{order}", "buyer"),
    Visit("organization_sales", "/organizations/acme/sales", "publisher"),
    Visit("organization_experiences", "/organizations/acme/experiences", "publisher"),
    Visit("organization_experience", "/organizations/acme/experiences/write-greeting", "publisher"),
    Visit("organization_reverification", "/organizations/acme/reverification", "publisher"),
    Visit("upload", "/organizations/acme/experiences/new", "publisher"),
    Visit("organization_audit", "/organizations/acme/audit", "publisher"),
    Visit("operator_invoices", "/operator/invoices", "operator"),
    Visit("account_login", "/accounts/login/"),
    Visit("account_signup", "/accounts/signup/"),
    Visit("account_reset_password", "/accounts/password/reset/"),
    Visit("account_reset_password_done", "/accounts/password/reset/done/"),
    Visit("account_reset_password_from_key", "/accounts/password/reset/key/1-absent/"),
    Visit("account_reset_password_from_key_done", "/accounts/password/reset/key/done/"),
    Visit("account_inactive", "/accounts/inactive/"),
    Visit("account_confirm_email", "/accounts/confirm-email/absent/"),
    Visit("account_email_verification_sent", "/accounts/confirm-email/"),
    Visit("account", "/account", "newcomer"),
    Visit("account", "/account", "publisher"),
    Visit("account_delete", "/account/delete", "newcomer"),
    Visit("usersessions_list", "/accounts/sessions/", "newcomer"),
    Visit("mfa_list_webauthn", "/accounts/2fa/webauthn/", "newcomer"),
    Visit("account_email", "/accounts/email/", "newcomer"),
    Visit("account_change_password", "/accounts/password/change/", "newcomer"),
    Visit("account_reauthenticate", "/accounts/reauthenticate/", "newcomer"),
    Visit("account_logout", "/accounts/logout/", "newcomer"),
    Visit("mfa_index", "/accounts/2fa/", "newcomer"),
    Visit("absent", "/nowhere", status=404),
    Visit("forbidden", "/operator/invoices", "member", status=403),
)

NO_PAGES: Final = {
    "mfa_activate_totp": "asks for a confirmed address first: in test_two_steps.py",
    "by_digest": "leads on to the version",
    "compare_any": "leads on to the comparison",
    "healthz": "JSON for probes",
    "badge": "a picture",
    "card": "a picture",
    "attestation": "a download",
    "feed_new": "for feed readers",
    "feed_verdicts": "for feed readers",
    "feed_topic": "for feed readers",
    "feed_publisher": "for feed readers",
    "feed_experience": "for feed readers",
    "robots": "for robots",
    "sitemap": "for robots",
    "sitemaps": "for robots",
    "statement_csv": "a download",
    "statement_pdf": "a download",
    "invoice": "a download",
    "organization_audit_csv": "a download",
    "account_export": "a download",
    "account_order_export": "takes a form and goes back",
    "mfa_add_webauthn": "asks for the password again first: in test_passkeys.py",
    "mfa_edit_webauthn": "only for people with a key",
    "mfa_remove_webauthn": "only for people with a key",
    "mfa_reauthenticate_webauthn": "only for people with a key",
    "mfa_login_webauthn": "takes a form and goes back",
    "facts": "takes a form and goes back",
    "set_theme": "takes a form and goes back",
    "set_language": "takes a form and goes back",
    "switch_organization": "takes a form and goes back",
    "explore_frontier": "takes a form and goes back",
    "accept_proposal": "takes a form and goes back",
    "account_set_password": "for people without a password: there are none while no other sign-in is configured",
    "account_confirm_login_code": "sign-in by code is off",
    "mfa_authenticate": "the second step of signing in: in test_two_steps.py",
    "mfa_reauthenticate": "only for people with a second step: in test_two_steps.py",
    "mfa_deactivate_totp": "only for people with a second step: in test_two_steps.py",
    "mfa_view_recovery_codes": "only for people with a second step: in test_two_steps.py",
    "mfa_generate_recovery_codes": "only for people with a second step: in test_two_steps.py",
    "mfa_download_recovery_codes": "a download: in test_two_steps.py",
}
ELSEWHERE: Final = ("api/", "^api/", "operator/")
"""Prefixes of what is no page of ours: the API, and Django's own administration."""
