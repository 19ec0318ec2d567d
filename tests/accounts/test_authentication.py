"""Who a request is: keys and sessions, each refusal with its own code, nothing cached, nothing told."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.request import Request

from accounts.access import ACTING_ORGANIZATION, actor_of, key_actor
from accounts.actors import AGENT_SCOPES, ANONYMOUS, ROLE_SCOPES
from accounts.domain.api_keys import new_key
from accounts.models import ApiKey, AuditEntry, Membership
from accounts.services.change_role import change_role
from accounts.services.create_organization import create_organization
from accounts.services.deactivate_agent import deactivate_agent
from accounts.services.issue_key import issue_key
from accounts.services.remove_member import remove_member
from accounts.services.revoke_key import revoke_key
from tests import factories
from tests.accounts.conftest import AGENT, House, unchanged


def me(secret: str, **headers: str) -> Any:
    return Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}", **headers})


def person_key(house: House, role: str, *scopes: str) -> tuple[ApiKey, str]:
    return issue_key(
        actor=house.actor(role), organization=house.acme, person=house.people[role], name="own", scopes=scopes
    )


def test_an_agent_key_says_who_it_is(house: House) -> None:
    answer = me(house.keys[AGENT].secret)
    assert answer.status_code == 200
    assert answer.json() == {
        "principal": {"kind": "agent", "name": house.agent.name},
        "organization": {"slug": "acme", "name": "Acme"},
        "scopes": ["read", "publish", "license", "purchase", "download", "report", "rate"],
        "server": {"name": "Keiken", "signing_keys_url": "http://127.0.0.1:8470/api/v1/signing-keys"},
    }


def test_a_persons_key_says_who_it_is(house: House) -> None:
    _row, secret = person_key(house, "buyer", "read", "license")
    answer = me(secret).json()
    assert (answer["principal"], answer["scopes"]) == ({"kind": "person", "name": "Buyer"}, ["read", "license"])


def test_one_query_authenticates_a_key(house: House) -> None:
    for secret in (house.keys[AGENT].secret, person_key(house, "owner", "read", "admin")[1]):
        key_actor(secret)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            holder, actor = key_actor(secret)
        assert len(queries) == 1
        assert (actor.id, actor.organization_slug, actor.group_id) == (holder.pk, "acme", house.acme.group_id)


def test_the_last_use_is_written_at_most_once_a_minute(house: House) -> None:
    key = house.keys[AGENT]
    assert key.row.last_used_at is None
    key_actor(key.secret)
    key.row.refresh_from_db()
    first = key.row.last_used_at
    assert first is not None
    key_actor(key.secret)
    key.row.refresh_from_db()
    assert key.row.last_used_at == first
    ApiKey.objects.filter(pk=key.row.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    key_actor(key.secret)
    key.row.refresh_from_db()
    assert key.row.last_used_at > first


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer kk_nonsense", "key_malformed"),
        ("Bearer", "key_malformed"),
        ("Bearer ", "key_malformed"),
        ("Basic aGFuYTpwYXNzd29yZA==", "key_malformed"),
        ("Bearer " + "x" * 6000, "key_malformed"),
        ("Bearer kk_0123456789_" + "A" * 38, "key_malformed"),
        ("Bearer 経験", "key_malformed"),
        pytest.param(f"Bearer {new_key().text}", "key_unknown", id="a key nobody was given"),
    ],
)
def test_a_key_that_is_none_is_401_and_says_how_to_come_in(house: House, header: str, code: str) -> None:
    answer = unchanged(lambda: Client().get("/api/v1/me", headers={"Authorization": header.encode().decode("latin-1")}))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_right_prefix_with_another_secret_is_unknown(house: House) -> None:
    from accounts.domain.api_keys import checksum

    body = f"kk_{house.keys[AGENT].row.prefix}_" + "B" * 32
    answer = me(body + checksum(body))
    assert (answer.status_code, answer.json()["code"]) == (401, "key_unknown")


def test_an_expired_key_is_refused_from_the_second_it_ends(house: House) -> None:
    key = house.keys[AGENT]
    ApiKey.objects.filter(pk=key.row.pk).update(expires_at=timezone.now() + timedelta(minutes=5))
    assert me(key.secret).status_code == 200
    ApiKey.objects.filter(pk=key.row.pk).update(expires_at=timezone.now())
    assert (me(key.secret).status_code, me(key.secret).json()["code"]) == (401, "key_expired")


def test_a_revoked_key_is_refused_on_the_next_request(house: House) -> None:
    key = house.keys[AGENT]
    assert me(key.secret).status_code == 200
    revoke_key(actor=house.owner, key=key.row)
    assert (me(key.secret).status_code, me(key.secret).json()["code"]) == (401, "key_revoked")


def test_a_deactivated_agent_is_refused(house: House) -> None:
    deactivate_agent(actor=house.owner, agent=house.agent)
    assert me(house.keys[AGENT].secret).json()["code"] == "key_revoked"
    ApiKey.objects.filter(agent=house.agent).update(revoked_at=None)
    answer = me(house.keys[AGENT].secret)
    assert (answer.status_code, answer.json()["code"]) == (401, "key_holder_inactive")


def test_a_deactivated_person_is_refused_with_key_and_session(house: House) -> None:
    _row, secret = person_key(house, "buyer", "read")
    client = Client()
    client.force_login(house.people["buyer"])
    assert (me(secret).status_code, client.get("/api/v1/me").status_code) == (200, 200)
    house.people["buyer"].is_active = False
    house.people["buyer"].save()
    assert (me(secret).status_code, me(secret).json()["code"]) == (401, "key_holder_inactive")
    assert (client.get("/api/v1/me").status_code, client.get("/api/v1/me").json()["code"]) == (
        401,
        "authentication_required",
    )


def test_a_person_who_left_is_refused_even_where_the_key_row_still_looks_good(house: House) -> None:
    _row, secret = person_key(house, "buyer", "read")
    remove_member(actor=house.owner, organization=house.acme, person=house.people["buyer"])
    assert me(secret).json()["code"] == "key_revoked"
    ApiKey.objects.filter(person=house.people["buyer"]).update(revoked_at=None)
    assert (me(secret).status_code, me(secret).json()["code"]) == (401, "key_holder_inactive")


def test_a_persons_key_shrinks_and_grows_with_the_role_never_beyond_its_scopes(house: House) -> None:
    _row, secret = person_key(house, "publisher", "read", "publish", "rate")
    person = house.people["publisher"]
    change_role(actor=house.owner, organization=house.acme, person=person, role="viewer")
    assert me(secret).json()["scopes"] == ["read"]
    change_role(actor=house.owner, organization=house.acme, person=person, role="owner")
    assert me(secret).json()["scopes"] == ["read", "publish", "rate"]


def test_an_agent_key_never_administers_whatever_its_row_says(house: House) -> None:
    key = house.keys[AGENT]
    ApiKey.objects.filter(pk=key.row.pk).update(scopes=["read", "admin"])
    assert key_actor(key.secret)[1].scopes == {"read"}
    assert "admin" not in AGENT_SCOPES


def test_a_bad_key_is_not_rescued_by_a_good_session(house: House) -> None:
    client = Client()
    client.force_login(house.people["owner"])
    answer = client.get("/api/v1/me", headers={"Authorization": "Bearer kk_nonsense"})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_malformed")


def test_a_session_acts_for_the_chosen_organization_or_else_the_first(house: House) -> None:
    person = house.people["viewer"]
    create_organization(person=person, slug="umbrella", name="Umbrella")
    client = Client()
    client.force_login(person)
    assert client.get("/api/v1/me").json()["organization"]["slug"] == "acme"
    session = client.session
    session[ACTING_ORGANIZATION] = "umbrella"
    session.save()
    answer = client.get("/api/v1/me").json()
    assert (answer["organization"]["slug"], "admin" in answer["scopes"]) == ("umbrella", True)
    session[ACTING_ORGANIZATION] = "globex"
    session.save()
    assert client.get("/api/v1/me").json()["organization"]["slug"] == "acme"


def test_a_person_without_an_organization_only_looks(db: None) -> None:
    client = Client()
    client.force_login(factories.person("alone@example.com"))
    answer = client.get("/api/v1/me").json()
    assert (answer["organization"], answer["scopes"]) == (None, ["read"])
    assert client.get("/api/v1/organizations").json() == {"results": []}


def test_a_session_needs_its_csrf_token_to_change_something_and_a_key_needs_none(house: House) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(house.people["owner"])
    path = "/api/v1/organizations/acme/agents"
    answer = unchanged(lambda: strict.post(path, {"name": "x"}, content_type="application/json"))
    assert answer.status_code == 403
    assert strict.get(path).status_code == 200
    token = strict.get("/accounts/login/", follow=True).wsgi_request.META.get("CSRF_COOKIE", "")
    strict.cookies["csrftoken"] = token
    made = strict.post(path, {"name": "x"}, content_type="application/json", headers={"X-CSRFToken": token})
    assert made.status_code == 201
    _row, secret = person_key(house, "owner", "read", "admin")
    keyed = Client(enforce_csrf_checks=True).post(
        path, {"name": "y"}, content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
    )
    assert keyed.status_code == 201


def test_an_api_request_never_falls_back_to_the_session(house: House) -> None:
    page, api = RequestFactory().get("/"), RequestFactory().get("/api/v1/me")
    for request in (page, api):
        request.user = house.people["owner"]
        request.session = {}  # type: ignore[assignment]  # all that is asked of it is get()
    assert actor_of(page).scopes == ROLE_SCOPES["owner"]
    assert actor_of(Request(api)) == ANONYMOUS


def test_a_stranger_is_anonymous(db: None) -> None:
    answer = Client().get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")


def test_no_key_ever_appears_in_logs_audit_or_answers(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client()
    client.force_login(house.people["owner"])
    path = "/api/v1/organizations/acme/keys"
    wanted = {"name": "ci", "agent": house.agent.name, "scopes": ["read"]}
    made = client.post(path, wanted, content_type="application/json")
    secret = made.json()["key"]
    listed = client.get(path).content.decode()
    mistyped = secret[:-1] + ("x" if secret[-1] != "x" else "y")
    refused = [me(mistyped).content.decode()]
    revoke_key(actor=house.owner, key=ApiKey.objects.get(name="ci"))
    refused.append(me(secret).content.decode())
    audit = " ".join(str(list(AuditEntry.objects.values())))
    tail = secret.rsplit("_", 1)[1]
    for told in (listed, *refused, audit, caplog.text):
        assert tail not in told
        assert tail[:16] not in told
    row = ApiKey.objects.filter(name="ci").values().get()
    assert tail not in str(row)
    assert made.headers["Cache-Control"] == "no-store"
    assert Membership.objects.count() == 5
