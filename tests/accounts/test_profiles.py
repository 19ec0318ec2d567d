"""Environment profiles: kept by people and agents, used for searches, and nobody's but the organization's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEntry, EnvironmentProfile
from accounts.services import save_profile as saving
from accounts.services.save_profile import save_profile
from tests import factories
from tests.accounts.conftest import AGENT, OUTSIDER, READING_AGENT, STRANGER, House
from tests.accounts.racing import at_once

PATH = "organizations/acme/environment-profiles"
FACTS: dict[str, Any] = {"os.id": "debian", "os.version": "12", "host.memory_mib": 2048, "tool.nginx": None, "a.b": [1]}


def kept() -> list[tuple[str, Any, str]]:
    return list(EnvironmentProfile.objects.order_by("pk").values_list("name", "facts", "note"))


def test_an_agent_keeps_its_facts_and_takes_them_anew(house: House) -> None:
    first = house.ask(AGENT, "PUT", f"{PATH}/build-server", {"facts": FACTS, "note": "builds"})
    again = house.ask(AGENT, "PUT", f"{PATH}/build-server", {"facts": {"os.id": "fedora"}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert kept() == [("build-server", {"os.id": "fedora"}, "builds")]
    assert first.json()["saved_by"] == house.agent.name
    rows = AuditEntry.objects.filter(action="profile.save").order_by("pk").values_list("target", "details")
    assert list(rows) == [
        ("build-server", {"facts": 5, "is_new": True}),
        ("build-server", {"facts": 1, "is_new": False}),
    ]


def test_an_agent_leaves_alone_what_others_saved_and_people_may_change_everything(house: House) -> None:
    assert house.ask("publisher", "PUT", f"{PATH}/laptop", {"facts": FACTS}).status_code == 201
    for method, body in (("PUT", {"facts": {"x.y": 1}}), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        refused = house.ask(AGENT, method, f"{PATH}/laptop", body)
        assert (refused.status_code, refused.json()["code"]) == (403, "profile_of_another")
    assert kept() == [("laptop", FACTS, "")]
    assert house.ask("buyer", "PATCH", f"{PATH}/laptop", {"name": "laptop-2", "note": "Mika's"}).status_code == 200
    assert kept() == [("laptop-2", FACTS, "Mika's")]
    assert house.ask("owner", "DELETE", f"{PATH}/laptop-2").status_code == 204
    assert kept() == []


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("Not-A-Slug", {"facts": FACTS}, 422, "profile_invalid"),
        ("x" * 65, {"facts": FACTS}, 422, "profile_invalid"),
        ("fine", {"facts": FACTS, "note": "n" * 301}, 422, "profile_invalid"),
        ("fine", {"facts": {}}, 422, "facts_malformed"),
        ("fine", {"facts": {"a": {"b": 1}}}, 422, "facts_malformed"),
        ("fine", {"facts": {"a": [[1]]}}, 422, "facts_malformed"),
        ("fine", {"facts": {"k" * 201: 1}}, 422, "facts_malformed"),
        ("fine", {"facts": {"a": "x" * 64_001}}, 422, "facts_too_large"),
        ("fine", {"facts": {f"a.{number}": 1 for number in range(2_001)}}, 422, "facts_too_large"),
        ("fine", {"facts": ["os.id"]}, 400, "invalid_request"),
        ("fine", {}, 400, "invalid_request"),
    ],
)
def test_bad_profiles_are_refused_and_nothing_is_kept(
    house: House, name: str, body: Any, status: int, code: str
) -> None:
    refused = house.ask("owner", "PUT", f"{PATH}/{name}", body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert kept() == []
    assert not AuditEntry.objects.filter(action="profile.save").exists()


def test_a_name_is_taken_once_and_there_is_a_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        house.ask("owner", "PUT", f"{PATH}/{name}", {"facts": FACTS})
    taken = house.ask("owner", "PATCH", f"{PATH}/two", {"name": "one"})
    assert (taken.status_code, taken.json()["code"]) == (409, "profile_name_taken")
    monkeypatch.setattr(saving, "PROFILES_MAX", 2)
    full = house.ask("owner", "PUT", f"{PATH}/three", {"facts": FACTS})
    assert (full.status_code, full.json()["code"]) == (409, "profiles_too_many")
    assert [name for name, _facts, _note in kept()] == ["one", "two"]


def test_two_at_once_under_one_name_make_one_profile(committed_house: House) -> None:
    actor, acme = committed_house.owner, committed_house.acme
    made = at_once(
        lambda: save_profile(actor=actor, organization=acme, name="same", facts={"a.b": 1})[1],
        lambda: save_profile(actor=actor, organization=acme, name="same", facts={"a.b": 1})[1],
    )
    assert sorted(made) == [False, True]
    assert kept() == [("same", {"a.b": 1}, "")]


def test_others_are_told_there_is_no_such_organization(house: House) -> None:
    house.ask("owner", "PUT", f"{PATH}/secret", {"facts": FACTS})
    assert house.ask(OUTSIDER, "GET", f"{PATH}/secret").status_code == 404
    assert house.ask(STRANGER, "GET", f"{PATH}/secret").status_code == 401
    assert house.ask(READING_AGENT, "GET", f"{PATH}/secret").json()["facts"] == FACTS


def test_people_paste_search_with_it_and_forget_it(house: House) -> None:
    client = Client()
    client.force_login(house.people["buyer"])
    page = "/organizations/acme/environments"
    pasted = client.post(page, {"name": "web", "note": "<b>x</b>", "facts": json.dumps({"facts": FACTS})})
    assert (pasted.status_code, kept()) == (302, [("web", FACTS, "<b>x</b>")])
    assert "&lt;b&gt;x" in client.get(page).content.decode()
    assert client.post(f"{page}/web", {"do": "use"}).headers["Location"] == "/browse"
    assert (client.session["facts"], client.session["facts_profile"]) == (FACTS, "web")
    assert "Profile web" in client.get("/browse").content.decode()
    client.post("/facts", {"clear": "1"})
    assert "facts" not in client.session
    assert "facts_profile" not in client.session
    assert client.post(f"{page}/web", {"do": "change", "name": "web-2", "note": ""}).status_code == 302
    assert client.post(f"{page}/web-2", {"do": "delete"}).status_code == 302
    assert kept() == []


def test_a_refused_form_shows_what_was_given_and_why(house: House) -> None:
    client = Client()
    client.force_login(house.people["owner"])
    answer = client.post("/organizations/acme/environments", {"name": "web", "facts": "nonsense"})
    assert answer.status_code == 422
    assert 'value="web"' in answer.content.decode()
    assert kept() == []
    viewer = Client()
    viewer.force_login(house.people["viewer"])
    assert viewer.post("/organizations/acme/environments", {"name": "w", "facts": '{"a.b": 1}'}).status_code == 403
    outsider = Client()
    outsider.force_login(factories.owner_of(house.globex))
    assert outsider.get("/organizations/acme/environments").status_code == 404
