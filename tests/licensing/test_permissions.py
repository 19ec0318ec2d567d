"""Every door of licensing, tried by every kind of asker: status and code, and a refusal that changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from licensing.models import Grant
from tests.licensing.conftest import ROLES, Shop, snapshot

STRANGER = "stranger"
ACME = (*[f"{role} of acme" for role in ROLES], "agent of acme")
GLOBEX = (*[f"{role} of globex" for role in ROLES], "agent of globex")
ASKERS = (STRANGER, "owner of initech", *ACME, *GLOBEX)
PUBLISHERS = ("owner of acme", "publisher of acme", "agent of acme")
NO_SCOPE, HIDDEN, LOGIN = (403, "scope_missing"), (404, "not_found"), (401, "authentication_required")
FOREIGN = (403, "wrong_organization")
Row = dict[str, tuple[int, str]]


def everybody() -> Row:
    return dict.fromkeys(ASKERS, (200, ""))


def acme_only(*, stranger: tuple[int, str] = HIDDEN) -> Row:
    return {**dict.fromkeys(ASKERS, HIDDEN), **dict.fromkeys(ACME, (200, "")), STRANGER: stranger}


def publishers(status: int, others: tuple[int, str]) -> Row:
    """Acme's publishers may; the rest of acme lacks the scope; ``others`` is told to those of elsewhere."""
    return {
        **dict.fromkeys(ASKERS, others),
        **dict.fromkeys(ACME, NO_SCOPE),
        **dict.fromkeys(PUBLISHERS, (status, "")),
        STRANGER: LOGIN,
    }


def scope_first(row: Row) -> Row:
    """Where the scope is asked for before anything is looked up."""
    return {**row, "buyer of globex": NO_SCOPE, "viewer of globex": NO_SCOPE}


def takers(open_to_others: bool) -> Row:
    others = (201, "") if open_to_others else HIDDEN
    without = [f"{role} of {slug}" for role in ("publisher", "viewer") for slug in ("acme", "globex")]
    row = {**dict.fromkeys(ASKERS, others), **dict.fromkeys(ACME, (201, "")), **dict.fromkeys(without, NO_SCOPE)}
    return {**row, STRANGER: LOGIN}


NEW_TERMS = {"name": "new", "kind": "custom", "text": "x", "uses": ["replay"]}
NEW_OFFER = {"terms": "{terms}", "kind": "free", "grant_days": 30}
REASON = {"reason": "misuse"}

TABLE: list[tuple[str, str, Any, Row]] = [
    ("GET", "experiences/acme/greet/offers", None, everybody()),
    ("GET", "experiences/acme/inner/offers", None, acme_only()),
    ("GET", "experiences/acme/absent/offers", None, dict.fromkeys(ASKERS, HIDDEN)),
    ("POST", "experiences/acme/greet/offers", NEW_OFFER, publishers(201, FOREIGN)),
    ("POST", "experiences/acme/inner/offers", NEW_OFFER, publishers(201, HIDDEN)),
    ("DELETE", "offers/{free}", None, scope_first(publishers(204, HIDDEN))),
    ("DELETE", "offers/nonsense", None, scope_first({**publishers(404, HIDDEN), **dict.fromkeys(PUBLISHERS, HIDDEN)})),
    ("GET", "terms/{terms}", None, everybody()),
    ("GET", "terms/{inner_terms}", None, acme_only()),
    ("GET", "terms/nonsense", None, dict.fromkeys(ASKERS, HIDDEN)),
    ("GET", "terms/6f1de0a2-0000-4000-8000-000000000000", None, dict.fromkeys(ASKERS, HIDDEN)),
    ("GET", "organizations/acme/terms", None, acme_only(stranger=LOGIN)),
    ("POST", "organizations/acme/terms", NEW_TERMS, publishers(201, HIDDEN)),
    ("POST", "offers/{free}/acceptances", {"terms_sha256": "{sha}"}, takers(open_to_others=True)),
    ("POST", "offers/{inner}/acceptances", {"terms_sha256": "{inner_sha}"}, takers(open_to_others=False)),
    ("POST", "offers/{free_of_private}/acceptances", {"terms_sha256": "{inner_sha}"}, takers(open_to_others=False)),
    ("GET", "grants", None, {**everybody(), STRANGER: LOGIN}),
    ("DELETE", "grants/{grant}", REASON, scope_first(publishers(200, HIDDEN))),
    (
        "DELETE",
        "grants/nonsense",
        REASON,
        scope_first({**publishers(404, HIDDEN), **dict.fromkeys(PUBLISHERS, HIDDEN)}),
    ),
    ("GET", "offers/{free}", None, everybody()),
    ("GET", "offers/{inner}", None, acme_only()),
    ("GET", "offers/{free_of_private}", None, acme_only()),
    ("GET", "offers/nonsense", None, dict.fromkeys(ASKERS, HIDDEN)),
    ("PUT", "offers/{free}", {}, dict.fromkeys(ASKERS, (405, "method_not_allowed"))),
]
CASES = [
    pytest.param(method, path, body, asker, *expected, id=f"{method} {path} by {asker}")
    for method, path, body, row in TABLE
    for asker, expected in row.items()
]


def filled(value: Any, shop: Shop, grant: Grant | None) -> Any:
    names = {
        "{free}": shop.free.pk,
        "{inner}": shop.inner.pk,
        "{free_of_private}": shop.free_of_private.pk,
        "{terms}": shop.terms.pk,
        "{inner_terms}": shop.inner_terms.pk,
        "{sha}": shop.terms.text_sha256,
        "{inner_sha}": shop.inner_terms.text_sha256,
        "{grant}": grant.pk if grant else "",
    }
    if isinstance(value, dict):
        return {name: filled(part, shop, grant) for name, part in value.items()}
    if isinstance(value, str):
        for name, real in names.items():
            value = value.replace(name, str(real))
    return value


@pytest.mark.parametrize(("method", "path", "body", "asker", "status", "code"), CASES)
def test_a_door_opens_for_whom_it_should(
    shop: Shop, method: str, path: str, body: Any, asker: str, status: int, code: str
) -> None:
    grant = shop.accept() if "{grant}" in path else None
    before = snapshot()
    answer = shop.ask(asker, method, filled(path, shop, grant), filled(body, shop, grant))
    told = answer.json() if answer.content else {}
    assert (answer.status_code, told.get("code", "")) == (status, code)
    if code:
        assert snapshot() == before
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert told["detail"]


def test_every_asker_is_in_every_row() -> None:
    assert all(set(row) == set(ASKERS) for _method, _path, _body, row in TABLE)


def test_an_offer_for_others_and_an_absent_one_read_the_same(shop: Shop) -> None:
    body = {"terms_sha256": shop.inner_terms.text_sha256}
    paths = [f"offers/{pk}/acceptances" for pk in (shop.inner.pk, shop.free_of_private.pk, shop.terms.pk, "nonsense")]
    told = [shop.ask("buyer of globex", "POST", path, body).json() for path in paths]
    for problem in told:
        problem.pop("request_id")
    assert told[0] == told[1] == told[2] == told[3]


def test_the_offers_of_a_listing_are_those_open_to_the_asker(shop: Shop) -> None:
    def kinds(asker: str) -> list[str]:
        answer = shop.ask(asker, "GET", "experiences/acme/greet/offers").json()
        return [row["kind"] for row in answer["results"]]

    assert (kinds("stranger"), kinds("viewer of globex"), kinds("viewer of acme")) == (
        ["free"],
        ["free"],
        ["free", "organization"],
    )


@pytest.mark.parametrize(
    ("asker", "method", "path", "body", "status", "code"),
    [
        ("buyer of globex", "POST", "offers/{free}/acceptances", {}, 400, "invalid_request"),
        ("buyer of globex", "POST", "offers/{free}/acceptances", {"terms_sha256": "x" * 65}, 400, "invalid_request"),
        ("buyer of globex", "POST", "offers/{free}/acceptances", {"terms_sha256": "0" * 64}, 409, "terms_changed"),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "uses": []}, 422, "terms_invalid"),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "uses": ["eat"]}, 422, "terms_invalid"),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "text": " "}, 422, "terms_invalid"),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "name": "No Slug"}, 422, "terms_invalid"),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "spdx": "MIT"}, 422, "terms_invalid"),
        ("owner of acme", "POST", "organizations/acme/terms", {"name": "x", "kind": "spdx"}, 422, "terms_invalid"),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "text": "a\0b"}, 400, None),
        ("owner of acme", "POST", "organizations/acme/terms", {**NEW_TERMS, "kind": "oral"}, 400, "invalid_request"),
        (
            "owner of acme",
            "POST",
            "experiences/acme/greet/offers",
            {**NEW_OFFER, "kind": "gift"},
            400,
            "invalid_request",
        ),
        (
            "owner of acme",
            "POST",
            "experiences/acme/greet/offers",
            {**NEW_OFFER, "grant_days": 0},
            400,
            "invalid_request",
        ),
        ("owner of acme", "POST", "experiences/acme/greet/offers", {**NEW_OFFER, "terms": "x"}, 400, "invalid_request"),
        ("owner of acme", "DELETE", "grants/{grant}", {}, 400, "invalid_request"),
        ("owner of acme", "DELETE", "grants/{grant}", {"reason": " "}, 400, "invalid_request"),
        ("owner of acme", "DELETE", "grants/{grant}", {"reason": "x" * 301}, 400, "invalid_request"),
        ("owner of acme", "GET", "grants?cursor=nonsense", None, 400, "cursor_invalid"),
    ],
)
def test_bad_input_is_refused_with_a_code_and_leaves_nothing(
    shop: Shop, asker: str, method: str, path: str, body: Any, status: int, code: str | None
) -> None:
    grant = shop.accept() if "{grant}" in path else None
    before = snapshot()
    answer = shop.ask(asker, method, filled(path, shop, grant), filled(body, shop, grant))
    assert answer.status_code == status, answer.content
    if code is not None:
        assert answer.json()["code"] == code
    assert snapshot() == before


def test_terms_of_another_publisher_cannot_be_offered(shop: Shop) -> None:
    from experiences.models import Experience

    own = Experience.objects.create(organization=shop.globex, name="own", title="Own")
    before = snapshot()
    answer = shop.ask("owner of globex", "POST", f"experiences/globex/{own.name}/offers", filled(NEW_OFFER, shop, None))
    assert (answer.status_code, answer.json()["code"]) == (422, "offer_invalid")
    assert snapshot() == before
