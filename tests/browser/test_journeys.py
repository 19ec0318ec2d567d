"""What people come for, from the first page to the last, with a mouse in English and a keyboard in Japanese."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.utils.translation import gettext, override
from playwright.sync_api import Page, expect

from accounts.models import Organization
from experiences.models import Verification, Version
from licensing.models import Grant
from marketplace import wording
from marketplace.models import Rating
from tests.browser.conftest import PATIENCE_SECONDS, Site, listen
from tests.browser.hands import Hands, Keyboard, Mouse
from tests.journeys.conftest import wait_until
from tests.marketplace.conftest import judge, publish, report_of
from tests.packages import package_bytes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PASSWORD = "a long and quiet river 7"
EXPERIENCE = "/experiences/acme/write-greeting"
WAYS = [pytest.param("en", Mouse, id="mouse-en"), pytest.param("ja", Keyboard, id="keyboard-ja")]


def says(page: Page, language: str, text: str, **values: Any) -> None:
    """The page shows the text in the language, where a person looks for it."""
    with override(language):
        wanted = gettext(text)
    expect(page.locator("main")).to_contain_text(wanted.format(**values) if values else wanted)


def submit_of(field: str) -> str:
    return f"main form:has({field}) button.button:not([name=clear])"


@pytest.mark.parametrize(("language", "way"), WAYS)
def test_a_stranger_finds_what_fits_signs_up_licenses_it_makes_a_key_and_rates(
    live_site: Site, open_page: Callable[..., Page], language: str, way: Callable[[Page], Hands]
) -> None:
    elsewhere = publish(
        live_site.world.market.acme, name="greet-plan9", title="Greet Plan 9", conditions={"os.family": "plan9"}
    )
    judge(elsewhere)
    page = open_page(width=1200)
    faults, _transferred = listen(page)
    hands = way(page)
    page.goto("/")
    if language == "ja":
        hands.press("button[name=language][value=ja]")
        expect(page.locator("html")).to_have_attribute("lang", "ja")

    hands.write("#q", "greeting")
    hands.press("main form[role=search] button")
    hands.press("details:has(#paste) > summary")
    hands.write("#paste", json.dumps({"os.family": "linux", "os.id": "debian", "os.version": "12"}))
    hands.press(submit_of("#paste"))
    hands.choose("#fit", "fits")
    expect(page.locator("#results")).not_to_contain_text("greet-plan9")
    expect(page.locator("#results")).to_contain_text("acme/write-greeting")
    hands.press(f"#results a[href='{EXPERIENCE}']")
    expect(page).to_have_url(f"{live_site.url}{EXPERIENCE}")

    hands.press("header a[href^='/accounts/signup']")
    hands.write("[name=email]", f"stranger-{language}@example.com")
    hands.write("[name=password1]", PASSWORD)
    hands.write("[name=password2]", PASSWORD)
    hands.press(submit_of("[name=password2]"))
    hands.press("header details.menu > summary")
    hands.press("header a[href='/organizations/new']")
    hands.write("[name=name]", f"Bakery {language}")
    hands.write("[name=slug]", f"bakery-{language}")
    hands.press(submit_of("[name=slug]"))
    says(page, language, "{name} is created. You are its owner.", name=f"Bakery {language}")

    page.goto(EXPERIENCE)
    hands.press(f"main a[href^='{EXPERIENCE}/offers/']")
    hands.press("#agree")
    hands.press(submit_of("#agree"))
    says(page, language, "Your organization has a license.")
    bakery = Organization.objects.get(slug=f"bakery-{language}")
    assert Grant.objects.get(organization=bakery).experience.name == "write-greeting"

    page.goto(f"/organizations/{bakery.slug}/agents")
    hands.write("#agent-name", "oven")
    hands.press("button[value=create_agent]")
    expect(page.locator("main table")).to_contain_text("oven")
    hands.write("[name=name][id^=id_]", "the oven's")
    hands.press("button[value=issue_key]")
    says(page, language, "This is the new key. It is shown now and never again.")
    secret = page.locator(".notice .command code").inner_text()
    assert secret.startswith("kk_")
    page.goto(f"/organizations/{bakery.slug}/licenses")
    page.goto(f"/organizations/{bakery.slug}/agents")
    assert secret not in page.content()

    report = report_of(live_site.world.market.public)
    told = httpx.post(
        f"{live_site.url}/api/v1{EXPERIENCE}/reports",
        json=report,
        headers={"Authorization": f"Bearer {secret}"},
        timeout=PATIENCE_SECONDS,
    )
    assert told.status_code in (200, 201), told.text
    page.goto(EXPERIENCE)
    hands.press(f"main a[href='{EXPERIENCE}/rate']")
    hands.press("[name=stars][value='5']")
    hands.write("[name=text]", "毎朝動いています。 Works every morning.")
    hands.press(submit_of("[name=text]"))
    expect(page.locator("main")).to_contain_text("毎朝動いています。")
    rating = Rating.objects.get(organization=bakery)
    assert (rating.stars, rating.text) == (5, "毎朝動いています。 Works every morning.")
    assert faults == []


@pytest.mark.parametrize(("language", "way"), WAYS)
def test_a_publisher_uploads_a_package_sees_it_proven_and_answers_a_review(
    live_site: Site,
    open_page: Callable[..., Page],
    tmp_path: Path,
    language: str,
    way: Callable[[Page], Hands],
) -> None:
    Verification.objects.exclude(state="done").delete()
    name = f"by-hand-{language}"
    archive = tmp_path / "package.tar.gz"
    page = open_page(live_site.world.people["publisher"], width=1200)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_site.url}])
    faults, _transferred = listen(page)
    hands = way(page)

    archive.write_bytes(b"nonsense")
    page.goto("/organizations/acme/experiences")
    hands.press("main a[href$='/experiences/new']")
    hands.attach("[name=package]", archive)
    hands.press(submit_of("[name=package]"))
    expect(page.locator("main [role=alert]")).to_be_visible()
    assert not Version.objects.filter(experience__name=name).exists()
    assert [fault for fault in faults if "422" not in fault] == []
    faults.clear()

    archive.write_bytes(package_bytes(name=name))
    hands.attach("[name=package]", archive)
    hands.press(submit_of("[name=package]"))
    says(
        page,
        language,
        "Version {version} is published. Its proofs have begun; this page shows how they end.",
        version="1.0.0",
    )
    live_site.start_one_worker()
    version = Version.objects.get(experience__name=name)
    row = version.verifications.get()
    wait_until(lambda: version.verifications.filter(state="done").exists(), "the uploaded package is proven")
    page.goto(f"/experiences/acme/{name}/1.0.0")
    with override(language):
        passed = str(wording.VERDICTS["passed"].label)
    expect(page.locator("main")).to_contain_text(passed)
    hands.press(f"main a[href$='/verifications/{row.pk}']")
    expect(page).to_have_url(re.compile(rf"/verifications/{row.pk}$"))
    expect(page.locator("main")).to_contain_text("greets")

    rating = Rating.objects.get(organization=live_site.world.market.globex)
    page.goto(f"{EXPERIENCE}/ratings")
    hands.press(f"main a[href='/ratings/{rating.pk}']")
    hands.write("#reply-text", f"Thank you. {language}")
    hands.press("button[value=reply]")
    expect(page.locator("main .reply")).to_contain_text(f"Thank you. {language}")
    rating.refresh_from_db()
    assert rating.reply == f"Thank you. {language}"
    assert faults == []


def test_on_a_phone_what_was_found_comes_before_the_filters_and_beside_them_where_there_is_room(
    live_site: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page(width=390, java_script_enabled=False)
    page.goto("/browse?q=greeting")
    filters, found = page.locator("#facets a").first, page.locator("#results li").first
    expect(found).to_be_in_viewport()
    expect(filters).to_be_hidden()
    page.click("details.fold > summary")
    expect(filters).to_be_visible()
    filters.click()
    expect(filters).to_be_hidden()
    expect(page.locator("details.fold > summary")).to_contain_text("(1)")
    page.set_viewport_size({"width": 1024, "height": 900})
    expect(filters).to_be_in_viewport()
    expect(found).to_be_in_viewport()
    expect(page.locator("details.fold > summary")).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_everything_can_be_read_and_switched_without_javascript(
    live_site: Site, open_page: Callable[..., Page], language: str
) -> None:
    page = open_page(java_script_enabled=False)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_site.url}])
    page.goto("/")
    page.fill("#q", "greeting")
    page.locator("main form[role=search] button").first.click()
    expect(page.locator("#results")).to_contain_text("acme/write-greeting")
    page.locator("#facets a").first.click()
    expect(page.locator("#facets a[aria-current]")).to_have_count(1)
    page.goto("/browse?q=greeting")
    page.locator(f"#results a[href='{EXPERIENCE}']").click()
    expect(page.locator("main")).to_contain_text("cp work/draft.txt work/greeting.txt")
    page.locator(f"main a[href='{EXPERIENCE}/1.0.0']").first.click()
    expect(page.locator("h1")).to_contain_text("1.0.0")
    assert page.locator(".copy").count() == 0

    ground = "getComputedStyle(document.body).backgroundColor"
    page.locator("footer button[name=theme][value=dark]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page).to_have_url(f"{live_site.url}{EXPERIENCE}/1.0.0")
    dark = page.evaluate(ground)
    page.locator("footer button[name=theme][value=light]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate(ground) != dark
    page.locator("footer button[name=theme][value='']").click()
    expect(page.locator("html[data-theme]")).to_have_count(0)
