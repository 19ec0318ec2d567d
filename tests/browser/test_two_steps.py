"""Signing in with a second step, from the first address to the last recovery code, on pages everybody can use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, listen
from tests.browser.test_every_page import overflowing, violations

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

EMAIL = "two-steps@example.com"
PASSWORD = "a long and quiet river 7"
LEFT_SECONDS = 20
"""A code is only used while it holds at least this long."""


def test_a_person_signs_in_with_a_second_step_or_a_recovery_code_until_they_turn_it_off(
    live_site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    faults, _transferred = listen(page)
    sign_up_and_confirm(page)

    page.goto("/accounts/2fa/")
    secret = activate(page)
    codes = keep_recovery_codes(page)

    sign_out(page)
    used = sign_in(page, lambda: code_of(secret))
    page.goto("/accounts/2fa/reauthenticate/?next=/accounts/2fa/recovery-codes/generate/")
    look(page)
    submit(page, "code", used)
    expect(page.locator("main .wrong")).to_be_visible()  # the same code does not open twice
    look(page)
    submit(page, "code", codes[0])
    expect(page).to_have_url(re.compile("/recovery-codes/generate/$"))
    look(page)

    sign_out(page)
    sign_in(page, lambda: codes[1])
    page.goto("/accounts/2fa/recovery-codes/")
    confirm_password(page)
    assert page.locator("#recovery_codes").input_value().split() == codes[2:]

    page.goto("/accounts/2fa/totp/deactivate/")
    look(page)
    page.click("main form button.danger")
    expect(page).to_have_url(re.compile("/accounts/2fa/$"))
    look(page)
    assert not Authenticator.objects.filter(user__email=EMAIL).exists()
    sign_out(page)
    sign_in(page)
    # Chromium says of each download that it did not become a page.
    assert faults == [f"{live_site.url}/accounts/2fa/recovery-codes/download/ net::ERR_ABORTED"]


def look(page: Page) -> None:
    """What ``test_every_page`` asks of a page, of those that are only seen on the way."""
    page.evaluate(AXE_SCRIPT)
    assert violations(page) == []
    assert page.evaluate("window.keikenSeen") == {"moved": [], "violations": []}
    assert overflowing(page) == {}


def submit(page: Page, field: str, value: str) -> None:
    page.fill(f"main [name={field}]", value)
    with page.expect_navigation():
        page.press(f"main [name={field}]", "Enter")


def sign_up_and_confirm(page: Page) -> None:
    seen = set(mails())
    page.goto("/accounts/signup/")
    page.fill("[name=email]", EMAIL)
    page.fill("[name=password1]", PASSWORD)
    submit(page, "password2", PASSWORD)
    page.goto(link_to(EMAIL, without=seen))
    look(page)
    with page.expect_navigation():
        page.click("main form button")
    assert EmailAddress.objects.get(email=EMAIL).verified


def mails() -> list[Path]:
    return sorted(Path(settings.EMAIL_FILE_PATH).glob("*.log"))


def link_to(address: str, *, without: set[Path]) -> str:
    """The link to confirm the address, from the mail that came since."""
    came = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in mails() if file not in without]
    texts = [message.get_content() for message in came if message["To"] == address]
    found = re.search(r"http://\S+/accounts/confirm-email/\S+", "\n".join(texts))
    assert found is not None, texts
    return found[0]


def activate(page: Page) -> str:
    """The secret that the page shows, once it is confirmed by a code."""
    page.click("main a[href='/accounts/2fa/totp/activate/']")
    confirm_password(page)
    expect(page).to_have_url(re.compile("/accounts/2fa/totp/activate/$"))
    look(page)
    secret = page.locator("#authenticator_secret").input_value()
    submit(page, "code", code_of(secret))
    return secret


def confirm_password(page: Page) -> None:
    """Asked for before the ways to sign in are shown or changed, however lately the person signed in."""
    expect(page).to_have_url(re.compile("/accounts/reauthenticate/"))
    look(page)
    submit(page, "password", PASSWORD)


def keep_recovery_codes(page: Page) -> list[str]:
    expect(page).to_have_url(re.compile("/accounts/2fa/recovery-codes/$"))
    look(page)
    codes = page.locator("#recovery_codes").input_value().split()
    assert len(set(codes)) == app_settings.RECOVERY_CODE_COUNT
    with page.expect_download() as downloaded:
        page.click("main a[href='/accounts/2fa/recovery-codes/download/']")
    assert downloaded.value.path().read_text().split() == codes
    return codes


def code_of(secret: str) -> str:
    """As an authenticator app computes it, at a moment when it holds for a while yet."""
    period = app_settings.TOTP_PERIOD
    if (left := period - time.time() % period) < LEFT_SECONDS:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, int(time.time()) // period))


def sign_in(page: Page, second_step: Callable[[], str] | None = None) -> str:
    """With the password, and then the code that ``second_step`` gives when it is asked for; returns that."""
    code = ""
    page.goto("/accounts/login/?next=/account")
    page.fill("[name=login]", EMAIL)
    submit(page, "password", PASSWORD)
    if second_step is not None:
        expect(page).to_have_url(re.compile("/accounts/2fa/authenticate/"))
        look(page)
        code = second_step()
        submit(page, "code", code)
    expect(page).to_have_url(re.compile("/account$"))
    assert page.locator("header .menu p").text_content() == EMAIL
    return code


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    with page.expect_navigation():
        page.click("main form button")
    assert page.locator("header .menu").count() == 0
