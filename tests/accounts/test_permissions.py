"""Every door of accounts, tried by every kind of asker: status and code, and a refusal that changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import ApiKey
from tests.accounts.conftest import AGENT, ASKERS, OUTSIDER, READING_AGENT, STRANGER, House, snapshot

LOGIN = (401, "authentication_required")
HIDDEN = (404, "not_found")
NO_SCOPE = (403, "scope_missing")
PEOPLE_ONLY = (403, "people_only")
AGENTS = (AGENT, READING_AGENT)
MEMBERS = ("owner", "publisher", "buyer", "viewer")


def only_owner(status: int) -> dict[str, tuple[int, str]]:
    """Owners may; other members and agents lack the scope; nobody else sees it."""
    return {**dict.fromkeys(ASKERS, NO_SCOPE), STRANGER: LOGIN, OUTSIDER: HIDDEN, "owner": (status, "")}


def only_people() -> dict[str, tuple[int, str]]:
    return {
        **dict.fromkeys(MEMBERS, (200, "")),
        **dict.fromkeys(AGENTS, PEOPLE_ONLY),
        STRANGER: LOGIN,
        OUTSIDER: HIDDEN,
    }


def everybody_inside() -> dict[str, tuple[int, str]]:
    return {**dict.fromkeys(ASKERS, (200, "")), STRANGER: LOGIN, OUTSIDER: HIDDEN}


def whoever_reports(status: int) -> dict[str, tuple[int, str]]:
    """Whoever may tell how replays went may also tell what the machines are."""
    may = dict.fromkeys(("owner", "publisher", "buyer", AGENT), HIDDEN if status == 404 else (status, ""))
    return {**everybody_inside(), **may, "viewer": NO_SCOPE, READING_AGENT: NO_SCOPE}


NIL = "00000000-0000-0000-0000-000000000000"
ABSENT_HOOK = f"organizations/acme/webhooks/{NIL}"
PROFILE = "organizations/acme/environment-profiles/web"
KEY = {"name": "ci", "agent": "{agent}", "scopes": ["read"]}
OWN_KEY = {"name": "mine", "scopes": ["read"]}
SESSION = (403, "session_required")

# method, path, body, and for each asker: (status, code); code "" where it is no refusal.
TABLE: list[tuple[str, str, Any, dict[str, tuple[int, str]]]] = [
    ("GET", "me", None, {**dict.fromkeys(ASKERS, (200, "")), STRANGER: LOGIN}),
    ("GET", "organizations", None, {**dict.fromkeys(ASKERS, (200, "")), STRANGER: LOGIN}),
    (
        "POST",
        "organizations",
        {"slug": "umbrella", "name": "Umbrella"},
        {**dict.fromkeys(ASKERS, (201, "")), STRANGER: LOGIN, **dict.fromkeys(AGENTS, SESSION)},
    ),
    ("GET", "organizations/acme", None, everybody_inside()),
    ("GET", "organizations/absent", None, {**dict.fromkeys(ASKERS, HIDDEN), STRANGER: LOGIN}),
    ("GET", "organizations/acme/members", None, only_people()),
    ("POST", "organizations/acme/members", {"email": "{outsider}", "role": "buyer"}, only_owner(201)),
    ("PATCH", "organizations/acme/members/{viewer}", {"role": "buyer"}, only_owner(200)),
    ("PATCH", "organizations/acme/members/{nobody}", {"role": "buyer"}, {**only_owner(404), "owner": HIDDEN}),
    ("DELETE", "organizations/acme/members/{viewer}", None, only_owner(204)),
    ("GET", "organizations/acme/agents", None, everybody_inside()),
    ("POST", "organizations/acme/agents", {"name": "builder"}, only_owner(201)),
    ("DELETE", "organizations/acme/agents/{agent}", None, only_owner(200)),
    ("DELETE", "organizations/acme/agents/absent", None, {**only_owner(404), "owner": HIDDEN}),
    ("GET", "organizations/acme/keys", None, only_people()),
    ("POST", "organizations/acme/keys", KEY, only_owner(201)),
    (
        "POST",
        "organizations/acme/keys",
        OWN_KEY,
        {
            **dict.fromkeys(MEMBERS, (201, "")),
            STRANGER: LOGIN,
            OUTSIDER: HIDDEN,
            **dict.fromkeys(AGENTS, (422, "key_holder_missing")),
        },
    ),
    # The key is the agent's own: it may end itself.
    ("DELETE", "organizations/acme/keys/{prefix}", None, {**only_owner(204), AGENT: (204, "")}),
    ("DELETE", "organizations/acme/keys/absent", None, {**dict.fromkeys(ASKERS, HIDDEN), STRANGER: LOGIN}),
    ("GET", "organizations/acme/environment-profiles", None, everybody_inside()),
    ("GET", PROFILE, None, {**dict.fromkeys(ASKERS, HIDDEN), STRANGER: LOGIN}),
    ("PUT", PROFILE, {"facts": {"os.id": "debian"}}, whoever_reports(201)),
    ("PATCH", PROFILE, {"note": "x"}, whoever_reports(404)),
    ("DELETE", PROFILE, None, whoever_reports(404)),
    ("GET", "organizations/acme/invitations", None, only_owner(200)),
    ("POST", "organizations/acme/invitations", {"email": "new@new.example", "role": "viewer"}, only_owner(201)),
    ("DELETE", f"organizations/acme/invitations/{NIL}", None, {**only_owner(404), "owner": HIDDEN}),
    ("POST", "organizations/acme/transfer", {"person": "{viewer}", "own_role": "viewer"}, only_owner(204)),
    ("GET", "organizations/acme/webhooks", None, only_owner(200)),
    ("POST", "organizations/acme/webhooks", {"url": "https://x.example/", "events": ["order.paid"]}, only_owner(201)),
    ("GET", ABSENT_HOOK, None, {**only_owner(404), "owner": HIDDEN}),
    ("PATCH", ABSENT_HOOK, {"is_active": False}, {**only_owner(404), "owner": HIDDEN}),
    ("DELETE", ABSENT_HOOK, None, {**only_owner(404), "owner": HIDDEN}),
    ("POST", f"{ABSENT_HOOK}/secret", None, {**only_owner(404), "owner": HIDDEN}),
    ("POST", f"{ABSENT_HOOK}/test", None, {**only_owner(404), "owner": HIDDEN}),
    ("GET", f"{ABSENT_HOOK}/deliveries", None, {**only_owner(404), "owner": HIDDEN}),
    ("POST", f"{ABSENT_HOOK}/deliveries/1/redeliver", None, {**only_owner(404), "owner": HIDDEN}),
    ("GET", "organizations/acme/audit", None, only_people()),
    ("PUT", "organizations/acme/audit", {}, dict.fromkeys(ASKERS, (405, "method_not_allowed"))),
    ("DELETE", "organizations/acme", None, dict.fromkeys(ASKERS, (405, "method_not_allowed"))),
]
CASES = [
    pytest.param(method, path, body, asker, *expected, id=f"{method} {path} by {asker}")
    for method, path, body, row in TABLE
    for asker, expected in row.items()
]


def filled(value: Any, house: House) -> Any:
    names = {
        "{agent}": house.agent.name,
        "{prefix}": house.keys[AGENT].row.prefix,
        "{viewer}": str(house.people["viewer"].pk),
        "{nobody}": "999999999999999999",
        "{outsider}": house.globex.memberships.get().person.email,
    }
    if isinstance(value, dict):
        return {name: filled(part, house) for name, part in value.items()}
    if isinstance(value, str):
        for name, real in names.items():
            value = value.replace(name, real)
    return value


@pytest.mark.parametrize(("method", "path", "body", "asker", "status", "code"), CASES)
def test_a_door_opens_for_whom_it_should(
    house: House, method: str, path: str, body: Any, asker: str, status: int, code: str
) -> None:
    before = snapshot()
    answer = house.ask(asker, method, filled(path, house), filled(body, house))
    told = answer.json() if answer.content else {}
    assert (answer.status_code, told.get("code", "")) == (status, code)
    if code:
        assert snapshot() == before
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert told["detail"]
        assert "advice" in told


def test_every_asker_is_in_every_row_that_is_not_shortened() -> None:
    assert all(set(row) == set(ASKERS) for _method, _path, _body, row in TABLE)


def test_an_absent_organization_and_a_foreign_one_read_the_same(house: House) -> None:
    for path in ("organizations/{}", "organizations/{}/members", "organizations/{}/keys", "organizations/{}/audit"):
        told, untold = (house.ask(OUTSIDER, "GET", path.format(slug)).json() for slug in ("acme", "absent"))
        told.pop("request_id"), untold.pop("request_id")
        assert told == untold


def test_a_member_acting_for_another_organization_looks_but_does_not_touch(house: House) -> None:
    from accounts.services.create_organization import create_organization
    from tests.accounts.conftest import actor_for

    person = house.people["owner"]
    create_organization(person=person, slug="umbrella", name="Umbrella")
    assert actor_for(person, house.acme).organization_slug == "acme"
    assert house.ask("owner", "GET", "organizations/umbrella").status_code == 200
    refused = house.ask("owner", "POST", "organizations/umbrella/agents", {"name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_organization")
    names = [row["slug"] for row in house.ask("owner", "GET", "organizations").json()["results"]]
    assert names == ["acme", "umbrella"]


def test_a_persons_key_sees_only_its_own_organization(house: House) -> None:
    from django.test import Client

    from accounts.services.create_organization import create_organization
    from accounts.services.issue_key import issue_key

    person = house.people["owner"]
    create_organization(person=person, slug="umbrella", name="Umbrella")
    _row, secret = issue_key(actor=house.owner, organization=house.acme, person=person, name="k", scopes=["read"])
    headers = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/organizations/acme/members", headers=headers).status_code == 200
    assert Client().get("/api/v1/organizations/umbrella", headers=headers).status_code == 404
    assert [row["slug"] for row in Client().get("/api/v1/organizations", headers=headers).json()["results"]] == ["acme"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "organizations", {"slug": "Ümlaut"}, 422, "slug_invalid"),
        ("POST", "organizations", {"slug": "a--b"}, 422, "slug_invalid"),
        ("POST", "organizations", {"slug": "x" * 65}, 422, "slug_invalid"),
        ("POST", "organizations", {"slug": "fine", "name": "x" * 101}, 422, "name_invalid"),
        ("POST", "organizations", {"slug": "globex"}, 409, "slug_taken"),
        ("POST", "organizations", {"slug": "keiken"}, 409, "slug_taken"),
        ("POST", "organizations", {"slug": "new"}, 409, "slug_taken"),
        ("POST", "organizations", {"slug": "a\0b"}, 400, None),
        ("POST", "organizations", [], 400, None),
        ("POST", "organizations", {}, 400, "invalid_request"),
        ("POST", "organizations/acme/members", {"email": "nobody@example.com", "role": "buyer"}, 422, "person_unknown"),
        ("POST", "organizations/acme/members", {"email": "viewer@acme.example", "role": "king"}, 422, "role_unknown"),
        (
            "POST",
            "organizations/acme/members",
            {"email": "VIEWER@acme.example", "role": "buyer"},
            409,
            "member_already",
        ),
        ("POST", "organizations/acme/members", {"email": "no address", "role": "buyer"}, 400, "invalid_request"),
        ("POST", "organizations/acme/agents", {"name": "Not A Slug"}, 422, "agent_name_invalid"),
        ("POST", "organizations/acme/agents", {"name": "x" * 65}, 422, "agent_name_invalid"),
        ("POST", "organizations/acme/agents", {"name": "{agent}"}, 409, "agent_name_taken"),
        ("POST", "organizations/acme/keys", {**KEY, "agent": "absent"}, 404, "not_found"),
        ("POST", "organizations/acme/keys", {**KEY, "scopes": []}, 422, "scope_not_allowed"),
        ("POST", "organizations/acme/keys", {**KEY, "scopes": ["admin"]}, 422, "scope_not_allowed"),
        ("POST", "organizations/acme/keys", {**KEY, "scopes": ["everything"]}, 422, "scope_not_allowed"),
        ("POST", "organizations/acme/keys", {**KEY, "name": " "}, 400, "invalid_request"),
        ("POST", "organizations/acme/keys", {**KEY, "name": "x" * 101}, 422, "key_name_invalid"),
        ("POST", "organizations/acme/keys", {**KEY, "name": "a\nb"}, 422, "key_name_invalid"),
        ("POST", "organizations/acme/keys", {**KEY, "expires_at": "2001-01-01T00:00:00Z"}, 422, "expiry_invalid"),
        ("POST", "organizations/acme/keys", {**KEY, "expires_at": "tomorrow"}, 400, "invalid_request"),
        ("PATCH", "organizations/acme/members/{owner}", {"role": "viewer"}, 409, "last_owner"),
        ("DELETE", "organizations/acme/members/{owner}", None, 409, "last_owner"),
        ("GET", "organizations/acme/audit?cursor=nonsense", None, 400, "cursor_invalid"),
        ("GET", "organizations/acme/audit?limit=0", None, 400, "invalid_request"),
        ("GET", "organizations/acme/keys?limit=101", None, 400, "invalid_request"),
    ],
)
def test_bad_input_is_refused_with_a_code_and_leaves_nothing(
    house: House, method: str, path: str, body: Any, status: int, code: str | None
) -> None:
    before = snapshot()
    path = path.replace("{owner}", str(house.people["owner"].pk))
    answer = house.ask("owner", method, filled(path, house), filled(body, house))
    assert answer.status_code == status, answer.content
    if code is not None:
        assert answer.json()["code"] == code
    assert snapshot() == before


def test_a_key_revoked_by_its_own_request_is_refused_after_it(house: House) -> None:
    path = f"organizations/acme/keys/{house.keys[AGENT].row.prefix}"
    assert house.ask(AGENT, "DELETE", path).status_code == 204
    assert house.ask(AGENT, "DELETE", path).json()["code"] == "key_revoked"
    assert ApiKey.objects.filter(revoked_at__isnull=False).count() == 1
