"""Passkeys by a virtual authenticator of the browser's: added, used to sign in, and nothing inline on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.factories import PASSWORD, person

pytestmark = [pytest.mark.slow]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_a_person_adds_a_passkey_and_signs_in_with_it(
    live_site: Site, open_page: Callable[..., Page], settings: Any
) -> None:
    # The server knows no quick hashes, only the tests do.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    somebody = person("keys@example.com", name="Kei")
    EmailAddress.objects.create(user=somebody, email=somebody.email, verified=True, primary=True)
    # A passkey belongs to a name, never to the number of a host.
    url = live_site.url.replace("127.0.0.1", "localhost")
    page = open_page()
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    page.goto(f"{url}/accounts/login/?next=/accounts/2fa/webauthn/add/")
    page.fill("input[name=login]", somebody.email)
    page.fill("input[name=password]", PASSWORD)
    with page.expect_navigation():
        page.press("input[name=password]", "Enter")
    if page.locator("input[name=password]").count():  # asked once more before the ways to sign in change
        page.fill("input[name=password]", PASSWORD)
        with page.expect_navigation():
            page.press("input[name=password]", "Enter")
    page.fill("input[name=name]", "Laptop")
    page.check("input[name=passwordless]")
    page.click("#mfa_webauthn_add")
    page.wait_for_url("**/2fa/recovery-codes/")
    assert Authenticator.objects.filter(user=somebody, type="webauthn").count() == 1
    assert page.evaluate("window.keikenSeen.violations") == []

    page.context.clear_cookies()
    page.goto(f"{url}/accounts/login/?next=/account")
    page.click("#passkey_login")
    page.wait_for_url("**/account")
    expect(page.locator("#account-name")).to_have_value("Kei")
    assert page.evaluate("window.keikenSeen.violations") == []
