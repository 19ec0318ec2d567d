"""The page on which owners say when their experiences are proven again, and what others see of it."""

from __future__ import annotations

import pytest
from django.utils import timezone

from experiences.models import Environment, ReverificationPolicy, Verification
from tests import factories
from tests.marketplace.conftest import Market, judge
from tests.marketplace.test_pages import HOSTILE, assert_sound

PAGE = "/organizations/acme/reverification"


@pytest.mark.parametrize("language", ["en", "ja"])
def test_an_owner_asks_for_more_changes_it_and_takes_it_back(market: Market, language: str) -> None:
    client = market.signed_in(market.acme)
    client.cookies["django_language"] = language
    assert_sound(client.get(PAGE).content.decode())
    wish = {"topic": "tls", "max_age_days": "7", "on_new_environment": "on", "diverging_reports": ""}
    assert client.post(PAGE, wish).status_code == 302
    row = ReverificationPolicy.objects.get()
    found = (row.topic, row.max_age_days, row.on_new_environment, row.on_environment_change, row.diverging_reports)
    assert found == ("tls", 7, True, None, None)
    html = client.get(PAGE, {"topic": "tls"}).content.decode()
    outline = assert_sound(html)
    fields = {field["name"]: field.get("value") for field in outline.all("input") if field.get("name")}
    assert (fields["topic"], fields["max_age_days"]) == ("tls", "7")
    assert client.post(PAGE, {"topic": "tls"}).status_code == 302
    assert not ReverificationPolicy.objects.exists()


def test_what_is_out_of_bounds_is_explained_and_what_was_typed_stays(market: Market) -> None:
    client = market.signed_in(market.acme)
    refused = client.post(PAGE, {"topic": "tls", "max_age_days": "31"})
    html = refused.content.decode()
    assert refused.status_code == 422
    assert "can be from 1 to 30 here, not 31" in html
    assert 'value="31"' in html
    assert client.post(PAGE, {"max_age_days": "many"}).status_code == 422
    assert HOSTILE not in client.post(PAGE, {"topic": HOSTILE, "max_age_days": "3"}).content.decode()
    assert not ReverificationPolicy.objects.exists()


def test_members_see_it_and_strangers_do_not(market: Market) -> None:
    from accounts.services.add_member import add_member

    viewer = factories.person("viewer@example.com")
    add_member(actor=factories.owner_actor(market.acme), organization=market.acme, email=viewer.email, role="viewer")
    client = market.signed_in(None)
    client.force_login(viewer)
    assert "<form id=" not in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"max_age_days": "3"}).status_code == 403
    assert market.signed_in(market.globex).get(PAGE).status_code == 404
    assert market.signed_in(market.globex).post(PAGE, {"max_age_days": "3"}).status_code == 404
    assert not ReverificationPolicy.objects.exists()


def test_a_changed_environment_and_a_trial_are_shown(market: Market) -> None:
    judge(market.public)
    other = Environment.objects.create(name="debian-12", digest="sha256:" + "9" * 64)
    later = Verification.objects.create(
        version=market.public,
        environment_name="debian-12",
        environment=other,
        trigger="environment",
        is_trial=True,
        state="done",
        verdict="passed",
        finished_at=timezone.now(),
    )
    address = f"/experiences/acme/write-greeting/1.0.0/verifications/{later.pk}"
    html = market.signed_in(market.acme).get(address).content.decode()
    assert "sha256:eeeeeeeeeeee… then, sha256:999999999999… now" in html
    assert "A trial: no scenario names this environment." in html
    assert "the environment has changed" in html
    shown = market.signed_in(market.acme).get("/experiences/acme/write-greeting/1.0.0").content.decode()
    assert "before 30 days are over; after 2 failed reports; when an environment has changed" in " ".join(shown.split())
