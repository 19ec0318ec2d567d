"""The pages a stranger decides by: an experience, what changed in it, where it comes from, who publishes it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from experiences.models import Verification, Version
from tests.marketplace.conftest import Market, judge, publish
from tests.marketplace.test_pages import assert_sound
from tests.packages import MANIFEST

QUERIES_MAX = 12
BYTES_MAX = 150_000
EXPERIENCE = "/experiences/acme/write-greeting"


def text_of(html: str) -> str:
    """What is to be read, without tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.fixture
def second(market: Market) -> Version:
    """A version that asks for more, and both of them proven."""
    judge(market.public)
    found = publish(
        market.acme,
        version="1.1.0",
        permissions={"commands": ["cp", "curl"], "write": ["work/**"]},
        parameters={"who": {"type": "string"}},
        scenarios=[{"name": "greets", "parameters": {"who": "Keiko"}}],
    )
    judge(found)
    return found


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("who", ["stranger", "owner", "buyer"])
def test_every_page_is_sound_small_and_cheap(market: Market, second: Version, who: str, language: str) -> None:
    client = market.signed_in({"stranger": None, "owner": market.acme, "buyer": market.globex}[who])
    client.cookies["django_language"] = language
    client.post("/facts", {"facts": '{"os.family": "linux"}'})
    for path in (
        EXPERIENCE,
        f"{EXPERIENCE}/1.0.0",
        f"{EXPERIENCE}/1.1.0/provenance",
        f"{EXPERIENCE}/compare/1.0.0...1.1.0",
        "/publishers/acme",
        "/",
    ):
        with CaptureQueriesContext(connection) as queries:
            response = client.get(path)
        assert response.status_code == 200, path
        assert len(queries) <= QUERIES_MAX, (path, len(queries), [query["sql"][:150] for query in queries])
        assert len(response.content) <= BYTES_MAX, path
        html = response.content.decode()
        assert_sound(html)
        assert f'<html lang="{language}"' in html


def test_conditions_tell_whether_they_hold_for_the_reader(market: Market) -> None:
    client = Client()
    assert "holds for your environment" not in text_of(client.get(EXPERIENCE).content.decode())
    client.post("/facts", {"facts": '{"os.family": "linux"}', "next": EXPERIENCE})
    html = client.get(EXPERIENCE).content.decode()
    assert "os.family = linux holds for your environment" in text_of(html)
    client.post("/facts", {"facts": '{"os.family": "plan9"}'})
    assert "os.family = linux yours: plan9" in text_of(client.get(EXPERIENCE).content.decode())
    client.post("/facts", {"facts": '{"os.id": "debian"}'})
    assert "os.family = linux your facts do not tell" in text_of(client.get(EXPERIENCE).content.decode())


def test_commands_to_replay_it_carry_values_that_work(market: Market, second: Version) -> None:
    text = text_of(Client().get(EXPERIENCE).content.decode())
    assert "keiken replay acme/write-greeting@1.1.0 -p who=Keiko" in text
    assert "Reference.parse(&quot;acme/write-greeting@1.1.0&quot;)" in text


def test_a_comparison_warns_of_what_asks_for_more(market: Market, second: Version) -> None:
    path = f"{EXPERIENCE}/compare/1.0.0...1.1.0"
    text = text_of(Client().get(path).content.decode())
    assert "What changed from 1.0.0 to 1.1.0" in text
    assert "commands It may touch more than before." in text
    assert "who Must be given now: a replay without it is refused." in text
    answer = Client().get(f"/api/v1{path}").json()
    assert (answer["old"]["version"], answer["new"]["digest"], answer["is_same"]) == ("1.0.0", second.blob_id, False)
    permissions = next(item for item in answer["sections"] if item["section"] == "permissions")
    assert permissions["changes"] == [
        {"kind": "added", "what": "commands", "lines": [{"sign": "+", "text": "curl"}], "effects": ["asks_more"]}
    ]
    back = Client().get(f"/api/v1{EXPERIENCE}/compare/1.1.0...1.0.0").json()
    assert next(item for item in back["sections"] if item["section"] == "permissions")["changes"][0]["effects"] == [
        "asks_less"
    ]
    same = Client().get(f"/api/v1{EXPERIENCE}/compare/1.1.0...1.1.0").json()
    assert (same["is_same"], same["sections"]) == (True, [])


def test_a_form_leads_to_the_address_of_a_comparison(market: Market, second: Version) -> None:
    response = Client().get(f"{EXPERIENCE}/compare?from=1.0.0&to=1.1.0")
    assert response.headers["Location"] == f"{EXPERIENCE}/compare/1.0.0...1.1.0"
    assert Client().get(f"{EXPERIENCE}/compare?from=1.0.0").headers["Location"] == EXPERIENCE
    for wanted in ("9.9.9", "a/b", "%2e%2e", "x" * 300):
        assert Client().get(f"{EXPERIENCE}/compare?from=1.0.0&to={wanted}").status_code == 404


def test_offers_for_some_versions_only_are_told(market: Market, second: Version) -> None:
    from licensing.services.create_offer import Pricing, create_offer
    from tests import factories

    create_offer(
        actor=factories.owner_actor(market.acme),
        experience=market.public.experience,
        terms=market.offer.terms,
        kind="free",
        pricing=Pricing(versions="<1.1"),
    )
    answer = Client().get(f"/api/v1{EXPERIENCE}/compare/1.0.0...1.1.0").json()
    terms = next(item for item in answer["sections"] if item["section"] == "terms")
    assert [(change["kind"], change["what"]) for change in terms["changes"]] == [("removed", "acme-standard v1")]


def test_a_digest_leads_to_its_version_forever(market: Market, second: Version) -> None:
    response = Client().get(f"/d/{second.blob_id}")
    assert (response.status_code, response.headers["Location"]) == (302, f"{EXPERIENCE}/1.1.0")
    assert Client().get("/d/sha256:" + "0" * 64).status_code == 404
    assert Client().get(f"/d/{market.private.blob_id}").status_code == 404
    own = market.signed_in(market.acme).get(f"/d/{market.private.blob_id}")
    assert own.headers["Location"] == "/experiences/acme/inner-greeting/1.0.0"


def test_provenance_names_key_and_log_entry(market: Market, second: Version) -> None:
    text = text_of(Client().get(f"{EXPERIENCE}/1.1.0/provenance").content.decode())
    assert second.blob_id in text
    assert "debian-12 Passed" in text
    assert "keiken attestations acme/write-greeting@1.1.0" in text


def test_what_is_private_has_none_of_these_pages(market: Market) -> None:
    private = "/experiences/acme/inner-greeting"
    pages = (
        private,
        f"{private}/1.0.0/provenance",
        f"{private}/compare/1.0.0...1.0.0",
        f"/api/v1{private}/compare/1.0.0...1.0.0",
    )
    for page in pages:
        assert Client().get(page).status_code == 404, page
        assert market.signed_in(market.globex).get(page).status_code == 404, page
    assert market.signed_in(market.acme).get(private).status_code == 200
    assert "inner-greeting" not in Client().get("/publishers/acme").content.decode()
    assert "inner-greeting" in market.signed_in(market.acme).get("/publishers/acme").content.decode()


def test_who_has_published_nothing_has_no_profile(market: Market) -> None:
    assert Client().get("/publishers/globex").status_code == 404
    assert Client().get("/publishers/nobody").status_code == 404
    publish(market.globex, name="secret", title="Secret", visibility="organization")
    assert Client().get("/publishers/globex").status_code == 404
    assert market.signed_in(market.globex).get("/publishers/globex").status_code == 200


def at(row: Verification, days_ago: float, **fields: Any) -> Verification:
    moment = timezone.now() - timedelta(days=days_ago)
    Verification.objects.filter(pk=row.pk).update(finished_at=moment, **fields)
    return row


def test_a_profile_tells_the_record_and_what_followed_reports(market: Market) -> None:
    at(judge(market.public), 30)
    at(judge(market.public, "failed", environment="debian-11"), 400, trigger="divergence")
    at(judge(market.public, environment="debian-13"), 20, trigger="divergence")
    at(judge(market.public, "failed", environment="debian-12-web"), 0, trigger="divergence")
    at(judge(market.public, "precondition_unmet", environment="debian-12-ja"), 0, trigger="divergence")
    text = text_of(Client().get("/publishers/acme").content.decode())
    assert "In the last year 2 of 3 verdicts passed (67 %)." in text
    assert "Passed in debian-12, debian-13" in text
    # The first version is younger than what is dated back here; what counts is what came after the failure.
    assert "New proofs after reports 2 Held all the same 1 Mended by a new version 0 Not mended yet 1" in text
    publish(market.acme, version="1.0.1")
    text = text_of(Client().get("/publishers/acme").content.decode())
    assert "Mended by a new version 1 after 0.0 days, in the middle Not mended yet 0" in text
    assert MANIFEST["title"] in text
