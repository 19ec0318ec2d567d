"""What people do on the pages: buy, make keys, found organizations, change members; and what they may not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, Membership
from licensing.models import Acceptance, Grant
from tests import factories
from tests.marketplace.conftest import TERMS_TEXT, Market, counts
from tests.marketplace.test_pages import EXPERIENCE, assert_sound


def test_a_private_experience_is_absent_for_strangers(market: Market) -> None:
    hidden, absent = (Client().get(f"/experiences/acme/{name}") for name in ("inner-greeting", "outer-greeting"))
    assert (hidden.status_code, absent.status_code) == (404, 404)
    for page in ("/", "/browse", "/browse?q=greet", "/browse?organization=acme"):
        assert "inner-greeting" not in Client().get(page).content.decode()
    assert "inner-greeting" in market.signed_in(market.acme).get("/browse").content.decode()
    assert market.signed_in(market.globex).get("/experiences/acme/inner-greeting").status_code == 404


def test_a_buyer_reads_the_exact_text_and_accepts_it(market: Market) -> None:
    client = market.signed_in(market.globex)
    path = f"{EXPERIENCE}/offers/{market.offer.id}"
    html = client.get(path).content.decode()
    assert TERMS_TEXT.strip().splitlines()[0] in html
    assert market.offer.terms.text_sha256 in html
    unconfirmed = client.post(path, {"terms_sha256": market.offer.terms.text_sha256})
    assert (unconfirmed.status_code, Acceptance.objects.count()) == (422, 0)
    wrong = client.post(path, {"agree": "1", "terms_sha256": "0" * 64})
    assert (wrong.status_code >= 400, Acceptance.objects.count()) == (True, 0)
    accepted = client.post(path, {"agree": "1", "terms_sha256": market.offer.terms.text_sha256}, follow=True)
    assert accepted.status_code == 200
    assert "Your organization has a license." in accepted.content.decode()
    assert Grant.objects.get().organization_id == market.globex.id


@pytest.mark.parametrize("role", ["viewer", "publisher"])
def test_who_may_not_buy_does_not_accept(market: Market, role: str) -> None:
    person = factories.person()
    Membership.objects.create(person=person, organization=market.globex, role=role)
    client = Client()
    client.force_login(person)
    path = f"{EXPERIENCE}/offers/{market.offer.id}"
    assert "<form" not in client.get(path).content.decode().split("<main")[1].split("</main")[0]
    response = client.post(path, {"agree": "1", "terms_sha256": market.offer.terms.text_sha256})
    assert (response.status_code, Acceptance.objects.count()) == (403, 0)


def test_a_stranger_is_sent_to_sign_in_and_back(market: Market) -> None:
    response = Client().get("/organizations/acme")
    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/login/?next=/organizations/acme")


def test_a_new_key_is_shown_once(market: Market) -> None:
    client = market.signed_in(market.acme)
    path = "/organizations/acme/agents"
    client.post(path, {"do": "create_agent", "name": "builder"})
    agent = market.acme.agents.get(name="builder")
    form = {"do": "issue_key", "name": "ci", "holder": str(agent.id), "scopes": ["read", "download"], "days": "30"}
    made = client.post(path, form)
    [secret] = re.findall(r"kk_[\w-]{20,}", made.content.decode())
    assert "no-store" in made.headers["Cache-Control"]
    assert secret not in client.get(path).content.decode()
    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    key = market.acme.api_keys.get(name="ci")
    client.post(path, {"do": "revoke_key", "key": str(key.id)})
    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/organizations/acme", {"do": "add", "email": "x@example.com", "role": "owner"}),
        ("/organizations/acme/agents", {"do": "create_agent", "name": "spy"}),
        (
            "/organizations/acme/agents",
            {"do": "issue_key", "name": "x", "holder": "me", "scopes": ["read"], "days": "30"},
        ),
        ("/organizations/acme/licenses", {"grant": "x", "reason": "x"}),
        ("/acting-organization", {"organization": "acme"}),
        (f"{EXPERIENCE}/offers/new", {"name": "x", "text": "x", "uses": ["replay"], "kind": "free"}),
    ],
)
def test_another_organizations_area_is_closed(market: Market, path: str, form: dict[str, Any]) -> None:
    client, before = market.signed_in(market.globex), (counts(), AuditEntry.objects.count())
    assert client.post(path, form).status_code in (403, 404)
    if path != "/acting-organization" and not path.startswith("/experiences"):
        assert client.get(path).status_code == 404
    assert (counts(), AuditEntry.objects.count()) == before
    assert market.acme.agents.filter(name="spy").count() == 0
    assert market.acme.api_keys.filter(name="x").count() == 0


def test_a_form_without_its_token_is_refused_in_our_look(market: Market) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.owner_of(market.acme))
    response = client.post("/organizations/acme/agents", {"do": "create_agent", "name": "x"})
    assert response.status_code == 403
    assert "form_expired" in response.content.decode()
    assert market.acme.agents.count() == 0


def test_a_person_creates_an_organization_and_switches(market: Market) -> None:
    client = market.signed_in(market.acme)
    made = client.post("/organizations/new", {"name": "Umbrella", "slug": "umbrella"}, follow=True)
    assert "Umbrella" in made.content.decode()
    assert client.get("/organizations/umbrella").status_code == 200
    taken = client.post("/organizations/new", {"name": "Other", "slug": "acme"})
    assert taken.status_code in (409, 422)
    switched = client.post("/acting-organization", {"organization": "acme"})
    assert switched.headers["Location"] == "/organizations/acme"


def test_somebody_new_signs_up_founds_an_organization_and_comes_back(db: None) -> None:
    client = Client()
    form = {"email": "new@example.com", "password1": factories.PASSWORD, "password2": factories.PASSWORD}
    signed_up = client.post("/accounts/signup/", form, follow=True)
    assert signed_up.redirect_chain[-1][0] == "/"
    client.post("/organizations/new", {"name": "New Tools", "slug": "new-tools"})
    client.post("/accounts/logout/")
    assert client.get("/organizations/new-tools").status_code == 302
    wrong = client.post("/accounts/login/", {"login": "new@example.com", "password": "nonsense"})
    assert wrong.status_code == 200
    assert_sound(wrong.content.decode())
    back = client.post(
        "/accounts/login/?next=/organizations/new-tools", {"login": "new@example.com", "password": factories.PASSWORD}
    )
    assert back.headers["Location"] == "/organizations/new-tools"
    assert "New Tools" in client.get("/organizations/new-tools").content.decode()


def test_two_step_sign_in_can_be_set_up_under_the_strict_policy(market: Market) -> None:
    client = market.signed_in(market.acme)
    client.post("/accounts/reauthenticate/", {"password": factories.PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    outline = assert_sound(page.content.decode())
    assert any(str(image.get("src")).startswith("data:image/svg+xml") for image in outline.all("img"))
    assert "img-src 'self' data:" in page.headers["Content-Security-Policy"]


def test_a_publisher_makes_an_offer_and_takes_a_license_back(market: Market) -> None:
    publisher, buyer = market.signed_in(market.acme), market.signed_in(market.globex)
    path = "/experiences/acme/write-greeting/offers/new"
    form = {"name": "acme-new", "spdx": "", "text": "New text.", "uses": ["replay"], "kind": "free", "grant_days": "30"}
    assert publisher.post(path, {**form, "uses": []}).status_code == 422
    assert publisher.post(path, {**form, "spdx": "No-Such-License"}).status_code == 422
    assert publisher.post(path, form).status_code == 302
    page = buyer.get(EXPERIENCE).content.decode()
    [offer] = set(re.findall(r"/offers/([0-9a-f-]{36})", page))
    text = buyer.get(f"{EXPERIENCE}/offers/{offer}").content.decode()
    [digest] = set(re.findall(r'name="terms_sha256" value="([0-9a-f]{64})"', text))
    buyer.post(f"{EXPERIENCE}/offers/{offer}", {"agree": "1", "terms_sha256": digest})
    grant = Grant.objects.get()
    assert "in force" in publisher.get("/organizations/acme/licenses").content.decode()
    publisher.post("/organizations/acme/licenses", {"grant": str(grant.id), "reason": "they\x00 left"})
    grant.refresh_from_db()
    assert (grant.revoked_at is not None, grant.revoked_reason) == (True, "they left")
    assert "revoked" in buyer.get("/organizations/globex/licenses").content.decode()


def test_an_owner_adds_changes_and_removes_a_member(market: Market) -> None:
    client, person = market.signed_in(market.acme), factories.person("helper@example.com")
    path = "/organizations/acme"
    assert client.post(path, {"do": "add", "email": "nobody@example.com", "role": "buyer"}).status_code == 422
    client.post(path, {"do": "add", "email": person.email, "role": "buyer"})
    client.post(path, {"do": "change", "person": str(person.pk), "role": "publisher"})
    assert Membership.objects.get(person=person).role == "publisher"
    client.post(path, {"do": "remove", "person": str(person.pk)})
    assert not Membership.objects.filter(person=person).exists()
    owner = factories.owner_of(market.acme)
    last = client.post(path, {"do": "remove", "person": str(owner.pk)})
    assert (last.status_code, Membership.objects.filter(person=owner).count()) == (409, 1)
    assert client.post(path, {"do": "remove", "person": "x"}).status_code == 404


def test_the_audit_trail_is_paged(market: Market) -> None:
    client = market.signed_in(market.acme)
    AuditEntry.objects.bulk_create(
        AuditEntry(organization=market.acme, actor_kind="system", actor_name="x", action="test", target=f"row {n}")
        for n in range(60)
    )
    first = client.get("/organizations/acme/audit").content.decode()
    [older] = re.findall(r'href="\?before=(\d+)"', first)
    second = client.get(f"/organizations/acme/audit?before={older}").content.decode()
    shown = re.findall(r"row (\d+)<", first), re.findall(r"row (\d+)<", second)
    assert (len(shown[0]), shown[0][0], shown[0][-1], shown[1][0]) == (50, "59", "10", "9")
