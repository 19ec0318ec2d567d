"""The pages: in both languages, few queries, strict headers, inert content, everything without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.models import Rating
from tests.marketplace.conftest import Market, judge, publish, report_of

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
