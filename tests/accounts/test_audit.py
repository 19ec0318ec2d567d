"""The audit trail: what is written stays, for its organization's people to read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import Error, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunSQL
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.services import audit
from marketplace.pages import audit as audit_pages
from tests.accounts.conftest import AGENT, OUTSIDER, House, snapshot


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET actor_name = 'nobody'",
        "DELETE FROM accounts_auditentry",
        "INSERT INTO accounts_auditentry SELECT * FROM accounts_auditentry ON CONFLICT (id) DO UPDATE SET target = 'x'",
    ],
)
def test_the_database_refuses_to_rewrite_it(house: House, statement: str) -> None:
    before = snapshot()
    assert before["AuditEntry"]
    with pytest.raises(Error, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert snapshot() == before


def test_the_orm_is_refused_too(house: House) -> None:
    entry = AuditEntry.objects.first()
    assert entry is not None
    entry.target = "something else"
    for act in (entry.save, entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(Error, match="only ever added"), transaction.atomic():
            act()


def test_the_guards_can_be_taken_down_in_order_and_put_up_again(house: House) -> None:
    loader = MigrationLoader(connection)
    plan = sorted({step for leaf in loader.graph.leaf_nodes() for step in loader.graph.forwards_plan(leaf)})
    operations = [
        operation
        for step in sorted(plan, key=lambda step: (step[0] != "accounts", step))
        for operation in loader.disk_migrations[step].operations
        if isinstance(operation, RunSQL) and "keiken_append_only" in operation.sql
    ]
    assert len(operations) > 5
    with connection.cursor() as cursor:
        # Checks that wait for the end of the transaction would be in the way of changing tables.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        for operation in reversed(operations):
            operation.database_backwards("", editor, None, None)
    assert AuditEntry.objects.update(target="rewritten") > 0
    with connection.schema_editor() as editor:
        for operation in operations:
            operation.database_forwards("", editor, None, None)
    with pytest.raises(Error, match="only ever added"), transaction.atomic():
        AuditEntry.objects.update(target="rewritten again")


def test_an_entry_goes_with_its_change_or_not_at_all(house: House) -> None:
    before = snapshot()
    with transaction.atomic():
        audit.record(actor=house.owner, action="x", target="x", organization_id=house.acme.pk)
        assert snapshot() != before
        transaction.set_rollback(True)
    assert snapshot() == before


def test_the_people_of_the_organization_read_it_newest_first(house: House) -> None:
    audit.record(actor=house.owner, action="second.last", target="a")
    for number in range(3):
        audit.record(actor=house.owner, action="test.thing", target=str(number), organization_id=house.acme.pk)
    first = house.ask("viewer", "GET", "organizations/acme/audit?limit=2").json()
    assert [(row["action"], row["target"]) for row in first["results"]] == [("test.thing", "2"), ("test.thing", "1")]
    audit.record(actor=house.owner, action="test.thing", target="meanwhile", organization_id=house.acme.pk)
    following = house.ask("viewer", "GET", f"organizations/acme/audit?limit=2&cursor={first['next']}").json()
    assert following["results"][0]["target"] == "0"
    entry = first["results"][0]
    assert entry["actor"] == {
        "kind": "person",
        "id": house.people["owner"].pk,
        "name": str(house.people["owner"]),
        "api_key_id": None,
    }
    assert (entry["details"], sorted(entry)) == ({}, ["action", "actor", "at", "details", "id", "target"])


def test_it_says_which_key_did_it(house: House) -> None:
    house.ask(AGENT, "DELETE", f"organizations/acme/keys/{house.keys[AGENT].row.prefix}")
    entry = AuditEntry.objects.get(action="key.revoke")
    assert (entry.actor_kind, entry.actor_id, entry.api_key_id) == ("agent", house.agent.pk, house.keys[AGENT].row.pk)


def test_others_do_not_know_there_is_one(house: House) -> None:
    assert house.ask(OUTSIDER, "GET", "organizations/acme/audit").status_code == 404


def test_the_admin_shows_and_does_not_touch(house: House) -> None:
    from django.test import Client

    from tests import factories

    client, operator = Client(), factories.person("operator@example.com", is_staff=True, is_superuser=True)
    client.force_login(operator)
    admin = reverse("admin:index")
    models = ["organization", "membership", "agent", "apikey", "auditentry"]
    for model in models:
        assert client.get(f"{admin}accounts/{model}/").status_code == 200
        assert client.get(f"{admin}accounts/{model}/add/").status_code == 403
    key = house.keys[AGENT].row
    shown = client.get(f"{admin}accounts/apikey/{key.pk}/change/").content.decode()
    assert (key.prefix in shown, key.secret_sha256 in shown) == (True, False)
    before = snapshot()
    assert client.post(f"{admin}accounts/apikey/{key.pk}/delete/", {"post": "yes"}).status_code == 403
    assert snapshot() == before
    viewer = house.people["viewer"]
    client.post(f"{admin}accounts/person/{viewer.pk}/change/", {"is_active": ""})
    viewer.refresh_from_db()
    assert viewer.is_active is False
    [entry] = AuditEntry.objects.filter(action="person.deactivate")
    assert (entry.actor_name, entry.target) == ("operator@example.com", "viewer@acme.example")


# --- looking through it


def told_of(house: House, query: str) -> list[str]:
    answer = house.ask("owner", "GET", f"organizations/acme/audit?{query}")
    assert answer.status_code == 200, answer.content
    return [row["action"] for row in answer.json()["results"]]


def test_the_trail_is_looked_through_by_who_what_on_what_and_when(house: House) -> None:
    house.ask("owner", "POST", "organizations/acme/agents", {"name": "night-builder"})
    house.ask(AGENT, "PUT", "organizations/acme/environment-profiles/web", {"facts": {"a.b": 1}})
    today = timezone.now().date()
    assert told_of(house, "target=night-b") == ["agent.create"]
    assert told_of(house, f"actor={house.agent.name}") == ["profile.save"]
    assert set(told_of(house, "action=key.")) == {"key.issue"}
    assert told_of(house, f"action=profile&since={today}&until={today}") == ["profile.save"]
    assert told_of(house, f"since={today + timedelta(days=1)}") == []
    assert told_of(house, f"until={today - timedelta(days=1)}") == []
    for bad in ("since=yesterday", "until=2026-13-01", "actor=" + "x" * 101):
        refused = house.ask("owner", "GET", f"organizations/acme/audit?{bad}")
        assert (refused.status_code, refused.json()["code"]) == (422, "filter_invalid")


def test_the_page_filters_and_downloads_what_it_shows_and_the_table_runs_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_pages, "AT_ONCE", 2)
    AuditEntry.objects.create(
        organization=house.acme,
        actor_kind="agent",
        actor_name="=cmd|' /C calc'!A0",
        action="x.y",
        target="+1",
        details={},
    )
    client = Client()
    client.force_login(house.people["viewer"])
    page = client.get("/organizations/acme/audit?action=x.")
    assert page.status_code == 200
    assert "audit.csv?action=x." in page.content.decode()
    assert client.get("/organizations/acme/audit?since=nonsense").status_code == 422
    told = client.get("/organizations/acme/audit.csv?action=x.")
    assert told.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = b"".join(told.streaming_content).decode().split("\r\n")
    assert lines[0] == "at,actor_kind,actor_name,api_key_id,action,target,details"
    assert lines[1].split(",", 1)[1] == "agent,'=cmd|' /C calc'!A0,,x.y,'+1,{}"
    whole = b"".join(client.get("/organizations/acme/audit.csv").streaming_content).decode()
    assert whole.count("\r\n") == 1 + house.acme.audit_entries.count()
    outsider = Client()
    outsider.force_login(house.globex.memberships.get().person)
    assert outsider.get("/organizations/acme/audit.csv").status_code == 404
