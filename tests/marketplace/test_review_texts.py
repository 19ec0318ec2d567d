"""What strangers write in ratings, answers, complaints and reports comes out as text, wherever it is shown."""

from __future__ import annotations

import html
from html.parser import HTMLParser

from django.test import Client

from accounts.models import Person
from experiences.models import Experience
from marketplace.domain.reviews import plain_text
from marketplace.models import Case, Rating
from tests.browser.hostile import TEXTS
from tests.marketplace.conftest import Market, report_of
from tests.marketplace.test_moderation import decide, reviewer, signed_in  # noqa: F401  # reviewer is a fixture
from tests.marketplace.test_reviews import API, PATH, call

ALL = "\n".join(TEXTS)
HALVES = ("\n".join(TEXTS[:25]), "\n".join(TEXTS[25:]))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def shown(client: Client, path: str, *texts: str) -> None:
    """The page has every line of the texts, and no tag, handler or address that runs anything."""
    answer = client.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    seen = html.unescape(page.replace("<br>", "\n"))
    for text in texts:
        for line in plain_text(text).split("\n"):
            assert line in seen, (path, line)
    for tag, attributes in Tags(page).found:
        assert tag not in ("iframe", "object", "embed", "base", "math", "audio", "video", "animate", "marquee", "style")
        if tag == "script" and attributes.get("type") != "application/ld+json":  # data, which no browser runs
            assert (attributes.get("src") or "").startswith("/static/")
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("style", "srcdoc", "formaction")
            assert "javascript:" not in (value or "") or name in ("value", "content")


def test_fifty_hostile_texts_in_every_field_come_out_as_text(market: Market, reviewer: Person) -> None:  # noqa: F811
    market.grant()
    headers = market.key(market.globex).headers
    facts = {"os.family": "linux", "os.id": TEXTS[0], "os.version": TEXTS[13]}
    report = report_of(market.public, facts=facts, reason=ALL)
    assert call("post", f"{API}/reports", headers, report).status_code == 201
    rating = {"stars": 5, "text": ALL, "replay_id": report["replay_id"]}
    assert call("put", f"{API}/rating", headers, rating).status_code == 201
    row = Rating.objects.get()
    assert (row.os_id, row.os_version) == ("", "")
    call("put", f"/api/v1/ratings/{row.pk}/reply", market.key(market.acme).headers, {"text": ALL})
    for part, half in zip(("rating", "reply"), HALVES, strict=True):
        body = {"reason": "abuse", "text": half, "part": part}
        call("post", f"/api/v1/ratings/{row.pk}/abuse-reports", market.key(market.initech).headers, body)
    mine, buyer, seller = Client(), market.signed_in(market.globex), market.signed_in(market.acme)
    for client in (mine, buyer, seller):
        for path in (PATH, f"{PATH}/ratings", f"/ratings/{row.pk}"):
            shown(client, path, ALL)
    shown(buyer, f"{PATH}/rate", ALL)
    shown(market.signed_in(market.initech), f"/ratings/{row.pk}/report", ALL)
    for case, half in zip(Case.objects.order_by("created_at"), HALVES, strict=True):
        shown(signed_in(reviewer), f"/moderation/{case.pk}", ALL, half)
        assert decide(case, reviewer, text=half).status_code == 302
        author = buyer if case.subject == "rating" else seller
        shown(author, f"/moderation/{case.pk}", half)
        assert author.post(f"/moderation/{case.pk}", {"do": "appeal", "text": half}).status_code == 302
        shown(signed_in(reviewer), f"/moderation/{case.pk}", half)


def test_a_hostile_search_for_a_case_or_state_is_harmless(market: Market, reviewer: Person) -> None:  # noqa: F811
    for text in TEXTS:
        answer = signed_in(reviewer).get("/moderation", {"state": text})
        assert answer.status_code == 200
        assert "ran(" not in answer.content.decode()
    assert Experience.objects.filter(hidden_at=None).count() == 2
