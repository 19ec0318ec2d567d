"""How the client speaks with a marketplace: typed answers, refusals in its own words, trouble in plain sentences."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import marketplace_parts
import marketplaces
import pytest
from loopback import Answer, Problem
from marketplaces import KEY, Marketplace

from keiken import __version__
from keiken.client import Client, Reference, ServerRefusal, ServerTrouble, connection
from keiken.errors import KeikenError


@pytest.fixture
def marketplace() -> Iterator[Marketplace]:
    with marketplaces.running() as running:
        yield running


@pytest.fixture
def client(marketplace: Marketplace) -> Iterator[Client]:
    with Client(marketplace.url, KEY) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RETRY_DELAYS_SECONDS", (0.0, 0.0))


def refused(call: Any) -> KeikenError:
    with pytest.raises(KeikenError) as caught:
        call()
    assert caught.value.message
    assert KEY not in f"{caught.value!r} {caught.value.as_dict()}"
    return caught.value


def test_a_request_says_who_asks_and_with_which_version(marketplace: Marketplace, client: Client) -> None:
    me = client.me()
    assert (me.principal.kind, me.principal.name) == ("agent", "tester")
    assert me.organization is not None
    assert me.organization.slug == "globex"
    headers = marketplace.requests[0].headers
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["user-agent"] == f"keiken/{__version__}"


def test_what_a_newer_marketplace_adds_is_kept(marketplace: Marketplace, client: Client) -> None:
    body = {"results": [{"organization": "acme", "name": "x", "mood": "good"}], "next": None}
    marketplace.faults["GET /experiences"] = [Answer(body=body)]
    assert client.experiences().as_json()["results"][0]["mood"] == "good"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 429])
def test_a_refusal_keeps_the_marketplaces_words_and_exits_with_3(
    marketplace: Marketplace, client: Client, status: int
) -> None:
    problem = Problem(status, "some_code", offers=[1]).answer
    marketplace.faults["GET /me"] = [problem]
    error = refused(client.me)
    assert isinstance(error, ServerRefusal)
    assert (error.exit_code, error.code) == (3, "some_code")
    assert (error.message, error.advice) == ("Refused: some_code.", "Do otherwise.")
    assert error.details == {"offers": [1], "request_id": "r-1", "status": status}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<h1>Forbidden</h1>", "text/html"), (b"", "text/plain"), (b"[]", "application/json"), (b'{"code": 7}', "x/y")],
)
def test_a_refusal_without_words_still_says_what_happened(
    marketplace: Marketplace, client: Client, body: bytes, content_type: str
) -> None:
    marketplace.faults["GET /me"] = [Answer(403, body, content_type=content_type)]
    error = refused(client.me)
    assert (error.exit_code, error.code) == (3, "http_403")
    assert error.message == f"{marketplace.url} refused: 403 Forbidden."
    assert error.advice


def test_trouble_of_the_marketplace_is_nobodys_refusal(marketplace: Marketplace, client: Client) -> None:
    marketplace.faults["GET /me"] = [Problem(500, "internal_error").answer]
    error = refused(client.me)
    assert isinstance(error, ServerTrouble)
    assert (error.exit_code, error.code) == (1, "server_error")
    assert error.details == {"status": 500, "request_id": "r-1"}


def test_a_get_is_tried_again_and_a_post_never(marketplace: Marketplace, client: Client) -> None:
    marketplace.faults["GET /me"] = [Answer(503, {}), Answer(502, {})]
    assert client.me().principal.name == "tester"
    assert marketplace.paths("GET") == ["me", "me", "me"]
    marketplace.faults["POST /search"] = [Answer(503, {}), Answer(200, {})]
    assert refused(lambda: client.search("x")).code == "server_error"
    assert marketplace.paths("POST") == ["search"]


def test_a_get_gives_up_after_three_tries(marketplace: Marketplace, client: Client) -> None:
    marketplace.faults["GET /me"] = [Answer(503, {}) for _ in range(9)]
    assert refused(client.me).code == "server_error"
    assert len(marketplace.requests) == 3


def test_a_short_wait_that_was_asked_for_is_kept_and_a_long_one_is_told(
    marketplace: Marketplace, client: Client
) -> None:
    marketplace.faults["GET /me"] = [Answer(429, {}, {"Retry-After": "1"})]
    before = time.monotonic()
    client.me()
    assert time.monotonic() - before >= 1
    marketplace.faults["GET /me"] = [Problem(429, "rate_limited").answer]
    marketplace.faults["GET /me"][0].headers["Retry-After"] = "60"
    assert refused(client.me).code == "rate_limited"


def test_nobody_there() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        port = silent.getsockname()[1]
        with Client(f"http://127.0.0.1:{port}", KEY) as client:
            error = refused(client.me)
    assert (error.exit_code, error.code) == (1, "server_unreachable")
    assert error.message.startswith(f"http://127.0.0.1:{port} cannot be reached: ")


def test_somebody_who_accepts_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TIMEOUT", httpx.Timeout(0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(address, KEY) as client:
            error = refused(client.me)
    assert error.code == "server_unreachable"
    assert "longer than" in error.message


def test_an_answer_that_drips_for_ever_is_given_up(
    marketplace: Marketplace, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", -1)
    error = refused(client.me)
    assert error.code == "server_unreachable"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[" * 100_000, b"[]", b"{}", b'{"principal": {"kind": "robot", "name": 1}}', b"null", b"\xff"],
)
def test_an_answer_that_is_not_a_marketplaces(marketplace: Marketplace, client: Client, body: bytes) -> None:
    marketplace.faults["GET /me"] = [Answer(200, body)]
    error = refused(client.me)
    assert (error.exit_code, error.code) == (1, "server_answer_malformed")
    assert error.message.startswith(f"{marketplace.url} does not answer as a Keiken marketplace does: ")


@pytest.mark.parametrize("body", [b"{}", b'{"keys": 7}', b'{"keys": [7]}', b"7"])
def test_a_list_that_is_none(marketplace: Marketplace, client: Client, body: bytes) -> None:
    marketplace.faults["GET /signing-keys"] = [Answer(200, body)]
    assert refused(client.signing_keys).code == "server_answer_malformed"


def test_an_answer_without_end_is_cut(
    marketplace: Marketplace, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_BYTES_LIMIT", 1_000)
    marketplace.faults["GET /me"] = [Answer(200, b" " * 5_000)]
    assert refused(client.me).code == "server_answer_malformed"


def test_an_answer_that_breaks_off(marketplace: Marketplace, client: Client) -> None:
    marketplace.faults["GET /me"] = [Answer(200, b"{", declared_length=500)]
    error = refused(client.me)
    assert (error.code, "the connection broke" in error.message) == ("server_unreachable", True)


def test_the_key_is_not_carried_to_another_address(marketplace: Marketplace, client: Client) -> None:
    with marketplaces.running() as elsewhere:
        marketplace.faults["GET /me"] = [Answer(302, {}, {"Location": f"{elsewhere.url}/api/v1/me"})]
        error = refused(client.me)
        assert (error.code, error.exit_code) == ("server_moved", 1)
        assert elsewhere.requests == []


def test_search_sends_words_topics_and_facts(marketplace: Marketplace, client: Client) -> None:
    client.search("tls", topics=["nginx"], facts={"os.id": "debian"}, fits=True, limit=5)
    assert marketplace.requests[0].json == {
        "words": "tls",
        "topics": ["nginx"],
        "facts": {"os.id": "debian"},
        "fits": True,
        "nearly": False,
        "filters": {},
        "sort": "relevance",
        "explain": False,
        "limit": 5,
        "cursor": None,
    }


def test_a_version_is_asked_for_in_one_path_segment(marketplace: Marketplace, client: Client) -> None:
    assert refused(lambda: client.version(Reference.parse("acme/x@1.0.0+build.7"))).code == "not_found"
    assert marketplace.requests[0].path == "/api/v1/experiences/acme/x/versions/1.0.0%2Bbuild.7"


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://proxy")
    assert refused(lambda: Client("https://keiken.example", KEY)).code == "server_unreachable"


def test_offers_terms_grants_and_revocation(marketplace: Marketplace, client: Client) -> None:
    (offer,) = client.offers(Reference.parse("acme/write-greeting"))
    terms = client.terms(offer.terms.id)
    assert terms.text == marketplace_parts.TERMS
    grant = client.accept(offer.id, terms_sha256=terms.text_sha256)
    assert [grant.id] == [held.id for held in client.grants()]
    client.revoke(grant.id, reason="over")
    assert client.grants() == []
    assert refused(lambda: client.accept("offer-1", terms_sha256="0" * 64)).code == "terms_changed"
