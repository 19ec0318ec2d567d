"""Publishing from the browser: whole or not at all, by who may, within the limit."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Membership
from experiences.models import Version
from tests import factories
from tests.marketplace.conftest import Market, audit, counts
from tests.packages import package_bytes

SECRET = "AKIA" + "A" * 16 + "\n"
PAGE = "/organizations/acme/experiences/new"


def upload(client: Client, archive: bytes, **fields: str) -> Any:
    return client.post(PAGE, {"package": SimpleUploadedFile("p.tar.gz", archive), **fields})


def test_a_publisher_uploads_a_package_and_is_led_to_its_proofs(market: Market) -> None:
    client, archive = market.signed_in(market.acme), package_bytes(name="by-hand")
    for expected in ("Its proofs have begun", "nothing is changed"):
        answer = upload(client, archive)
        assert answer.headers["Location"] == "/experiences/acme/by-hand/1.0.0"
        assert expected in client.get(answer.headers["Location"]).content.decode()
    version = Version.objects.get(experience__name="by-hand")
    assert version.experience.visibility == "public"
    assert version.verifications.count() == 1
    assert audit("experience.publish")[-1].target == "acme/by-hand@1.0.0"


def test_the_visibility_is_as_chosen(market: Market) -> None:
    upload(market.signed_in(market.acme), package_bytes(name="by-hand"), visibility="organization")
    assert Version.objects.get(experience__name="by-hand").experience.visibility == "organization"
    assert Client().get("/experiences/acme/by-hand").status_code == 404


@pytest.mark.parametrize(
    ("archive", "status", "told"),
    [
        (b"nonsense", 422, "gzip"),
        (package_bytes(title="Another"), 409, "1.0.0"),
        (package_bytes(name="by-hand", files={"assets/one.txt": SECRET}), 422, "assets/one.txt:1"),
    ],
)
def test_what_breaks_a_rule_is_refused_whole_and_the_page_says_where(
    market: Market, archive: bytes, status: int, told: str
) -> None:
    before = counts()
    answer = upload(market.signed_in(market.acme), archive)
    assert (answer.status_code, counts()) == (status, before)
    assert told in answer.content.decode()


def test_without_a_file_nothing_is_published(market: Market) -> None:
    before = counts()
    answer = market.signed_in(market.acme).post(PAGE, {})
    assert (answer.status_code, counts()) == (422, before)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("buyer", 403), ("publisher", 302)])
def test_only_who_may_publish_sees_the_form_and_uploads(market: Market, role: str, status: int) -> None:
    person, client, before = factories.person(), Client(), counts()
    Membership.objects.create(person=person, organization=market.acme, role=role)
    client.force_login(person)
    assert client.get(PAGE).status_code == (200 if status == 302 else 403)
    assert (PAGE in client.get("/organizations/acme/experiences").content.decode()) is (status == 302)
    assert upload(client, package_bytes(name="by-hand")).status_code == status
    assert (counts() == before) is (status == 403)


def test_another_organization_learns_nothing(market: Market) -> None:
    before = counts()
    assert market.signed_in(market.globex).get(PAGE).status_code == 404
    assert upload(market.signed_in(market.globex), package_bytes(name="by-hand")).status_code == 404
    assert upload(Client(), package_bytes(name="by-hand")).headers["Location"].startswith("/accounts/login/")
    assert counts() == before


def test_what_is_too_large_is_refused_before_it_is_read(market: Market, settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"upload_max_bytes": 1024})
    before = counts()
    answer = upload(market.signed_in(market.acme), b"x" * (1 << 17))
    assert (answer.status_code, counts()) == (413, before)
    assert "body_too_large" in answer.content.decode()
