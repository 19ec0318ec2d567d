"""The pages: in both languages, few queries, strict headers, inert content, everything without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, Membership
from licensing.models import Acceptance, Grant
from marketplace.models import Rating
from tests import factories
from tests.marketplace.conftest import TERMS_TEXT, Market, counts, judge, publish, report_of

QUERIES_MAX = 12
EXPERIENCE = "/experiences/acme/write-greeting"
STRANGERS_PAGES = [
    "/",
    "/browse",
    EXPERIENCE,
    f"{EXPERIENCE}/1.0.0",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/nowhere",
]
OWNERS_PAGES = [
    *STRANGERS_PAGES[:4],
    "/experiences/acme/inner-greeting",
    "/organizations/new",
    "/organizations/acme",
    "/organizations/acme/agents",
    "/organizations/acme/environments",
    "/organizations/acme/webhooks",
    "/organizations/acme/hand-over",
    "/organizations/acme/licenses",
    "/organizations/acme/experiences",
    "/organizations/acme/experiences/write-greeting",
    "/organizations/acme/audit",
    f"{EXPERIENCE}/offers/new",
    "/account",
    "/account/delete",
    "/accounts/sessions/",
    "/accounts/2fa/webauthn/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
]


class Outline(HTMLParser):
    """What a page is made of, as far as these tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_sound(html: str) -> Outline:
    """One h1, a skip link, labels for every field, no inline script or style, nothing from elsewhere."""
    outline = Outline(html)
    assert len(outline.all("h1")) == 1
    assert any(link.get("class") == "skip" and link.get("href") == "#main" for link in outline.all("a"))
    assert [main.get("id") for main in outline.all("main")] == ["main"]
    labelled = {label.get("for") for label in outline.all("label")}
    for tag in ("input", "select", "textarea"):
        for field in outline.all(tag):
            if field.get("type") not in ("hidden", "submit"):
                assert field.get("id") in labelled or field.get("aria-label"), field
    ids = [attributes["id"] for _tag, attributes in outline.tags if attributes.get("id")]
    assert len(ids) == len(set(ids)), sorted(ids)
    for _tag, attributes in outline.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "action", "poster"):
            assert not str(attributes.get(name) or "").startswith(("http", "//"))
    assert outline.all("style") == []
    for script in outline.all("script"):
        if script.get("type") in ("application/json", "application/ld+json"):
            continue  # data for a script of a file, or for search engines; browsers run nothing of it
        assert str(script.get("src")).startswith("/static/")
    for link in outline.all("link"):
        # These name addresses; nothing is fetched from them.
        assert link.get("rel") in ("canonical", "alternate", "expect") or str(link.get("href")).startswith("/static/")
    return outline


@pytest.fixture
def lively(market: Market) -> Market:
    """Verdicts, a grant, a report and a rating, so that the pages have something to show."""
    judge(market.public)
    grant = market.grant()
    headers = market.key(market.globex).headers
    report = report_of(market.public)
    path = "/api/v1/experiences/acme/write-greeting"
    Client().post(f"{path}/reports", report, content_type="application/json", headers=headers)
    Client().put(
        f"{path}/rating",
        {"stars": 4, "text": "Worked.", "replay_id": report["replay_id"]},
        content_type="application/json",
        headers=headers,
    )
    assert (grant.organization_id, Rating.objects.count()) == (market.globex.id, 1)
    return market


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_every_page_is_sound_in_both_languages_with_few_queries(lively: Market, who: str, language: str) -> None:
    client = lively.signed_in(lively.acme if who == "owner" else None)
    client.cookies["django_language"] = language
    for path in OWNERS_PAGES if who == "owner" else STRANGERS_PAGES:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = client.get(path)
        assert response.status_code == (404 if path == "/nowhere" else 200), path
        assert len(queries) <= QUERIES_MAX, (path, [query["sql"][:120] for query in queries])
        html = response.content.decode()
        assert_sound(html)
        assert f'<html lang="{language}"' in html
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in response.headers["Permissions-Policy"]


def test_more_rows_cost_no_more_queries(market: Market) -> None:
    client = Client()

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    paths = ["/", "/browse", "/browse?q=greeting", "/api/v1/experiences"]
    [cost(path) for path in paths]
    before = [cost(path) for path in paths]
    for number in range(4):
        judge(publish(market.acme, name=f"greeting-{number}", title=f"Greeting {number}"))
    [cost(path) for path in paths]  # the first search after a change reads what changed
    assert [cost(path) for path in paths] == before


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_hostile_texts_of_publishers_reports_and_raters_are_inert(market: Market) -> None:
    skill = (
        f"---\nname: hostile\ndescription: {'x'}\nlicense: Apache-2.0\n---\n\n{HOSTILE}\n\n[a](javascript:alert(1))\n"
    )
    steps = [
        {
            "id": "write",
            "title": HOSTILE[:190],
            "file": {"write": "work/a", "content": HOSTILE},
            "expect": ["file('work/a').text == '<script>alert(1)</script>'"],
        }
    ]
    version = publish(
        market.acme,
        name="hostile",
        title=f"Title {HOSTILE}",
        skill=skill,
        steps=steps,
        parameters={"who": {"type": "string", "default": HOSTILE, "description": HOSTILE}},
        scenarios=[{"name": f"s {HOSTILE}"}],
    )
    ugly = {"steps": [{**report_of(version)["steps"][0], "stdout": HOSTILE, "reason": HOSTILE, "command": HOSTILE}]}
    judge(version, "failed", reason=HOSTILE, report=ugly)
    report = market_report(market, version)
    Rating.objects.create(
        experience=version.experience, major=1, organization=market.globex, report=report, stars=1, text=HOSTILE
    )
    path = "/experiences/acme/hostile"
    for page in (path, f"{path}/1.0.0", "/", "/browse?q=title", "/browse?q=" + HOSTILE.replace("#", "")):
        html = Client().get(page).content.decode()
        outline = assert_sound(html)
        assert "<script>alert" not in html
        assert len(outline.all("script")) == html.count("</script>")
        assert not [image for image in outline.all("img") if image.get("src") == "x"]
        assert not [link for link in outline.all("a") if str(link.get("href")).startswith("javascript")]


def market_report(market: Market, version: Any) -> Any:
    from marketplace.models import ReplayReport

    body = report_of(version)
    return ReplayReport.objects.create(
        replay_id=body["replay_id"],
        organization=market.globex,
        actor_kind="agent",
        actor_name=HOSTILE[:90],
        version=version,
        outcome="succeeded",
        report=body,
    )


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


def test_pasted_facts_mark_what_fits(market: Market) -> None:
    client = Client()
    assert client.post("/facts", {"facts": "nonsense"}).status_code == 422
    client.post("/facts", {"facts": '{"os.family": "plan9"}'})
    html = client.get("/browse").content.decode()
    assert "Does not fit" in html
    assert "write-greeting" in html
    assert "write-greeting" not in client.get("/browse?fit=fits").content.decode()
    assert "plan9" in client.get(EXPERIENCE).content.decode()
    client.post("/facts", {"facts": '{"os.family": "linux"}'})
    assert "Fits your machine" in client.get("/browse?fit=fits").content.decode()
    client.post("/facts", {"clear": "1", "next": "https://evil.example/"})
    assert "Fits your machine" not in client.get("/browse").content.decode()


def test_nobody_is_sent_to_another_site(market: Market) -> None:
    for wanted in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        response = Client().post("/facts", {"clear": "1", "next": wanted})
        assert response.headers["Location"] == "/browse"


def test_htmx_gets_only_the_results(market: Market) -> None:
    part = Client().get("/browse?q=greeting", headers={"HX-Request": "true"})
    assert part.content.decode().strip().startswith('<div id="results"')
    assert "HX-Request" in part.headers["Vary"]


def test_the_language_can_be_switched(db: None) -> None:
    client = Client()
    client.post("/i18n/setlang/", {"language": "ja", "next": "/"})
    assert '<html lang="ja"' in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/experiences/acme/write-greeting/offers/6f1de0a2-0000-4000-8000-000000000000", 404, "not_found"),
        ("/browse?q=%00", 400, "malformed_request"),
        ("/browse?cursor=nonsense", 400, "cursor_invalid"),
        ("/experiences/a%00b/c", 400, "malformed_request"),
    ],
)
def test_errors_have_the_same_look_and_a_code(market: Market, path: str, status: int, code: str) -> None:
    response = Client(raise_request_exception=False).get(path)
    assert response.status_code == status
    html = response.content.decode()
    assert_sound(html)
    if code != "cursor_invalid":
        assert code in html
        assert response.headers["X-Request-Id"] in html


def test_a_bug_shows_a_page_that_needs_no_database(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("swordfish")

    monkeypatch.setattr("marketplace.selectors.numbers", broken)
    client = market.signed_in(market.acme)
    client.raise_request_exception = False
    response = client.get("/")
    html = response.content.decode()
    assert (response.status_code, "internal_error" in html, "swordfish" in html) == (500, True, False)
    assert_sound(html)


def test_health_names_what_is_down(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/healthz").json() == {"status": "ok", "database": "ok", "broker": "ok"}
    down: Callable[[], bool] = lambda: False  # noqa: E731  # a stand-in as short as what it replaces
    monkeypatch.setattr("marketplace.pages.home._broker_answers", down)
    response = Client().get("/healthz")
    assert (response.status_code, response.json()["broker"]) == (503, "down")
