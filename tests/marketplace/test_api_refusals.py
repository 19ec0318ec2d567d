"""Every door of the API, tried by every kind of asker: status and code, and a refusal that changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.marketplace.conftest import Market, counts, report_of

PUBLIC, PRIVATE = "/api/v1/experiences/acme/write-greeting", "/api/v1/experiences/acme/inner-greeting"
ABSENT = "/api/v1/experiences/acme/no-such-thing"
PACKAGE = "/versions/1.0.0/package"
RATING = {"stars": 5, "replay_id": "6f1de0a2-0000-4000-8000-000000000000"}
NO_RATING, NO_CASE = "/api/v1/ratings/999999", "/api/v1/cases/6f1de0a2-0000-4000-8000-000000000000"
ABUSE = {"reason": "spam", "text": "An advertisement."}

# method, path, body, and for each asker: (status, code); code "" where it is no refusal.
STRANGER, LOOKER, BUYER, OWNER = "stranger", "looker (initech)", "buyer (globex)", "publisher (acme)"
TABLE: list[tuple[str, str, Any, dict[str, tuple[int, str]]]] = [
    ("GET", "/api/v1/", None, dict.fromkeys([STRANGER, LOOKER, BUYER, OWNER], (200, ""))),
    ("GET", "/api/v1/experiences", None, dict.fromkeys([STRANGER, LOOKER, BUYER, OWNER], (200, ""))),
    ("POST", "/api/v1/search", {"words": "greeting"}, dict.fromkeys([STRANGER, LOOKER, BUYER, OWNER], (200, ""))),
    ("GET", PUBLIC, None, dict.fromkeys([STRANGER, LOOKER, BUYER, OWNER], (200, ""))),
    ("GET", PRIVATE, None, {**dict.fromkeys([STRANGER, LOOKER, BUYER], (404, "not_found")), OWNER: (200, "")}),
    ("GET", ABSENT, None, dict.fromkeys([STRANGER, LOOKER, BUYER, OWNER], (404, "not_found"))),
    (
        "GET",
        PUBLIC + PACKAGE,
        None,
        {
            STRANGER: (401, "authentication_required"),
            LOOKER: (403, "license_required"),
            BUYER: (200, ""),
            OWNER: (200, ""),
        },
    ),
    ("GET", PUBLIC + "/versions/9.9.9/package", None, dict.fromkeys([STRANGER, BUYER, OWNER], (404, "not_found"))),
    (
        "GET",
        PRIVATE + PACKAGE,
        None,
        {**dict.fromkeys([STRANGER, LOOKER, BUYER], (404, "not_found")), OWNER: (200, "")},
    ),
    (
        "POST",
        PUBLIC + "/reports",
        "report",
        {
            STRANGER: (401, "authentication_required"),
            LOOKER: (403, "license_required"),
            BUYER: (201, ""),
            OWNER: (201, ""),
        },
    ),
    ("POST", PRIVATE + "/reports", "report", {STRANGER: (401, "authentication_required"), BUYER: (404, "not_found")}),
    ("POST", PUBLIC + "/reports", {"outcome": "great"}, {BUYER: (422, "report_malformed")}),
    (
        "PUT",
        PUBLIC + "/rating",
        RATING,
        {
            STRANGER: (401, "authentication_required"),
            LOOKER: (403, "replay_not_reported"),
            BUYER: (403, "replay_not_reported"),
            OWNER: (403, "own_experience"),
        },
    ),
    ("PUT", PRIVATE + "/rating", RATING, {STRANGER: (401, "authentication_required"), BUYER: (404, "not_found")}),
    ("PUT", PUBLIC + "/rating", {**RATING, "stars": 6}, {BUYER: (400, "invalid_request")}),
    ("PUT", PUBLIC + "/rating", {**RATING, "text": "x" * 4001}, {BUYER: (400, "invalid_request")}),
    ("PUT", PUBLIC + "/rating", {**RATING, "replay_id": "x"}, {BUYER: (400, "invalid_request")}),
    ("GET", PUBLIC + "/ratings", None, dict.fromkeys([STRANGER, LOOKER, BUYER, OWNER], (200, ""))),
    ("GET", PRIVATE + "/ratings", None, {**dict.fromkeys([STRANGER, LOOKER], (404, "not_found")), OWNER: (200, "")}),
    ("GET", PUBLIC + "/ratings?cursor=bm9uZTpvdXJz", None, {STRANGER: (400, "cursor_invalid")}),
    ("PUT", NO_RATING + "/reply", {"text": "x"}, dict.fromkeys([STRANGER, LOOKER, OWNER], (404, "not_found"))),
    ("PUT", NO_RATING + "/helpful", None, dict.fromkeys([STRANGER, LOOKER, OWNER], (404, "not_found"))),
    ("POST", NO_RATING + "/abuse-reports", ABUSE, dict.fromkeys([STRANGER, LOOKER], (404, "not_found"))),
    ("PUT", "/api/v1/ratings/9223372036854775808/reply", {"text": "x"}, {OWNER: (404, "not_found")}),
    (
        "POST",
        PUBLIC + "/abuse-reports",
        ABUSE,
        {STRANGER: (401, "authentication_required"), OWNER: (403, "own_contribution"), LOOKER: (201, "")},
    ),
    ("POST", PUBLIC + "/abuse-reports", {**ABUSE, "reason": "dislike"}, {LOOKER: (400, "invalid_request")}),
    ("POST", PRIVATE + "/abuse-reports", ABUSE, dict.fromkeys([STRANGER, LOOKER, BUYER], (404, "not_found"))),
    ("GET", NO_CASE, None, dict.fromkeys([STRANGER, LOOKER, OWNER], (404, "not_found"))),
    (
        "POST",
        NO_CASE + "/appeal",
        {"text": "x"},
        {STRANGER: (401, "authentication_required"), OWNER: (404, "not_found")},
    ),
    ("DELETE", PUBLIC, None, dict.fromkeys([STRANGER, BUYER], (405, "method_not_allowed"))),
    ("GET", "/api/v1/search", None, {STRANGER: (405, "method_not_allowed")}),
    ("GET", "/api/v1/nowhere", None, dict.fromkeys([STRANGER, BUYER], (404, "not_found"))),
    ("POST", "/api/v1/nowhere/at/all", {}, {STRANGER: (404, "not_found")}),
    ("GET", "/api/v2/", None, {STRANGER: (404, "not_found")}),
    ("GET", "/api/v1/experiences?cursor=%20", None, {STRANGER: (200, "")}),
    ("GET", "/api/v1/experiences?cursor=bm9uZTpvdXJz", None, {STRANGER: (400, "cursor_invalid")}),
    ("GET", "/api/v1/experiences?limit=1000", None, {STRANGER: (400, "invalid_request")}),
    ("GET", "/api/v1/experiences?topic=%00", None, {STRANGER: (400, "malformed_request")}),
    ("POST", "/api/v1/search", {"facts": {}, "limit": 0}, {STRANGER: (400, "invalid_request")}),
    ("POST", "/api/v1/search", {"words": "x" * 201}, {STRANGER: (400, "invalid_request")}),
    ("POST", "/api/v1/search", {"cursor": "zzz"}, {STRANGER: (400, "cursor_invalid")}),
]
CASES = [(m, p, b, asker, *expected) for m, p, b, askers in TABLE for asker, expected in askers.items()]


@pytest.fixture
def askers(market: Market) -> dict[str, dict[str, str]]:
    market.grant()
    return {
        STRANGER: {},
        LOOKER: market.key(market.initech).headers,
        BUYER: market.key(market.globex).headers,
        OWNER: market.key(market.acme).headers,
    }


def test_every_door_answers_every_asker_as_promised(market: Market, askers: dict[str, dict[str, str]]) -> None:
    client = Client(raise_request_exception=False)
    wrong = []
    for method, path, body, asker, status, code in CASES:
        data = report_of(market.public) if body == "report" else body
        before = counts()
        extra = {} if data is None else {"data": data, "content_type": "application/json"}
        response = (
            client.generic(method, path, headers=askers[asker])
            if data is None
            else getattr(client, method.lower())(path, headers=askers[asker], **extra)
        )
        problem = response.headers["Content-Type"] == "application/problem+json"
        got = (response.status_code, response.json()["code"] if problem else "")
        if got != (status, code) or (problem and counts() != before):
            wrong.append((method, path, asker, "expected", (status, code), "got", got))
        if problem:
            found = response.json()
            assert set(found) >= {"type", "title", "status", "detail", "code", "advice", "request_id"}, found
            assert found["request_id"] == response.headers["X-Request-Id"]
            assert found["status"] == response.status_code
            assert found["detail"].endswith((".", "?")), found["detail"]
    assert wrong == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_request"),
        (b'{"words": "\\u0000"}', "application/json", 400, "malformed_request"),
        (b'{"words": "\\ud800"}', "application/json", 400, "malformed_request"),
        (b"[]", "application/json", 400, "invalid_request"),
        (b"words=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"\x1f\x8b", "application/gzip", 415, "unsupported_media_type"),
        (b'{"facts": ["os.id"]}', "application/json", 400, "invalid_request"),
        (b'{"words": ""}' + b" " * (4 << 20), "application/json", 413, "body_too_large"),
    ],
)
def test_a_body_that_is_none_is_refused(db: None, body: bytes, content_type: str, status: int, code: str) -> None:
    response = Client(raise_request_exception=False).post("/api/v1/search", body, content_type=content_type)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_body_above_the_upload_limit_is_refused_before_it_is_read(db: None) -> None:
    response = Client().post("/api/v1/search", b"{}", content_type="application/json", CONTENT_LENGTH=str(1 << 30))
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_bug_of_ours_tells_its_request_id_and_nothing_else(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("marketplace.selectors.listing_page", broken)
    response = Client(raise_request_exception=False).get("/api/v1/experiences")
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "internal_error"
    assert response.json()["request_id"] == response.headers["X-Request-Id"]
    assert b"swordfish" not in response.content
    assert b"RuntimeError" not in response.content


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer kk_nonsense", "key_malformed"),
        ("Bearer", "key_malformed"),
        ("Bearer " + "x" * 5000, "key_malformed"),
    ],
)
def test_a_bad_key_is_401_even_where_a_stranger_may_look(db: None, header: str, code: str) -> None:
    response = Client().get("/api/v1/experiences", headers={"Authorization": header})
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_401_on_the_next_request(market: Market) -> None:
    from accounts.services.revoke_key import revoke_key
    from tests import factories

    key = market.key(market.acme)
    assert Client().get(PUBLIC + PACKAGE, headers=key.headers).status_code == 200
    revoke_key(actor=factories.owner_actor(market.acme), key=key.row)
    response = Client().get(PUBLIC + PACKAGE, headers=key.headers)
    assert (response.status_code, response.json()["code"]) == (401, "key_revoked")


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/experiences", PUBLIC])
def test_head_is_get_without_a_body_and_options_names_the_methods(market: Market, path: str) -> None:
    client = Client()
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    options = client.options(path)
    assert options.status_code == 200
    assert "GET" in options.headers["Allow"]
    assert "DELETE" not in options.headers["Allow"]
