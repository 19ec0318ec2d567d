"""One's own account: language, sessions, second factors and passkeys, the export, and leaving for good."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Person, PersonExport
from accounts.services.create_organization import create_organization
from accounts.services.invite_member import invite_member
from accounts.services.issue_key import issue_key
from marketplace.services.erase_person import erase_person
from marketplace.services.write_exports import write_exports
from tests import factories
from tests.accounts.conftest import House, actor_for, snapshot

PASSWORD = factories.PASSWORD


def client_of(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def signed_in(person: Person, **browser: Any) -> Client:
    client = Client(**browser)
    answer = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


# --- language, name


def test_a_person_is_spoken_to_in_their_language_wherever_they_sign_in(house: House) -> None:
    person = house.people["buyer"]
    client = client_of(person)
    changed = client.post("/account", {"name": "Mika  Mori", "language": "ja"})
    assert (changed.status_code, changed.cookies[settings.LANGUAGE_COOKIE_NAME].value) == (302, "ja")
    person.refresh_from_db()
    assert (person.name, person.language) == ("Mika Mori", "ja")
    elsewhere = signed_in(person)
    assert '<html lang="ja"' in elsewhere.get("/account").content.decode()
    elsewhere.post("/i18n/setlang/", {"language": "en", "next": "/"})
    person.refresh_from_db()
    assert person.language == "en"


@pytest.mark.parametrize("given", [{"language": "xx"}, {"name": "x" * 101}, {"name": "a\u202eb"}])
def test_a_bad_name_or_language_changes_nothing(house: House, given: dict[str, str]) -> None:
    before = snapshot()
    answer = client_of(house.people["buyer"]).post("/account", {"name": "Mika", "language": "en", **given})
    assert (answer.status_code, snapshot()) == (422, before)


def test_whoever_signs_up_in_japanese_keeps_it(db: None) -> None:
    client = Client(headers={"accept-language": "ja"})
    form = {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/signup/", form).status_code == 302
    person = Person.objects.get()
    assert person.language == "ja"
    new = "another horse and battery"
    client.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    entries = AuditEntry.objects.filter(actor_id=person.pk, target="new@example.com").order_by("pk")
    assert list(entries.values_list("action", flat=True)) == ["person.register", "person.password"]


# --- signing in


def test_other_sessions_are_listed_and_ended(house: House) -> None:
    person = house.people["owner"]
    here = signed_in(person, headers={"user-agent": "Laptop"})
    there = signed_in(person, headers={"user-agent": "Phone"})
    shown = here.get("/accounts/sessions/").content.decode()
    assert "Laptop" in shown
    assert "Phone" in shown
    assert here.post("/accounts/sessions/").status_code == 302
    assert there.get("/account").status_code == 302
    assert here.get("/account").status_code == 200


def test_the_pages_of_second_factors_run_nothing_inline(house: House) -> None:
    client = signed_in(house.people["owner"])
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for path in ("/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/add/", "/accounts/login/"):
        answer = (Client() if path.endswith("login/") else client).get(path)
        assert answer.status_code == 200, path
        text = answer.content.decode()
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        for tag in text.split("<script")[1:]:
            head = tag.split(">")[0]
            assert 'src="/static/' in head or 'type="application/json"' in head
    assert "passkey_login" in Client().get("/accounts/login/").content.decode()


# --- the export


def test_the_export_is_made_once_and_only_its_person_fetches_it(house: House) -> None:
    person = house.people["publisher"]
    actor = actor_for(person, house.acme)
    _row, secret = issue_key(actor=actor, organization=house.acme, person=person, name="mine", scopes=["read"])
    client = client_of(person)
    assert client.post("/account/export").status_code == 302
    assert client.post("/account/export").status_code == 302
    row = PersonExport.objects.get()
    assert client.get(f"/account/export/{row.pk}").status_code == 404
    assert (write_exports(), write_exports()) == (1, 0)
    fetched = client.get(f"/account/export/{row.pk}")
    assert fetched.headers["Content-Disposition"] == 'attachment; filename="keiken-account.zip"'
    with zipfile.ZipFile(io.BytesIO(fetched.content)) as archive:
        content = {name: archive.read(name).decode() for name in archive.namelist()}
    account, belongs = json.loads(content["account.json"]), json.loads(content["organizations.json"])
    assert account["person"]["email"] == person.email
    assert [item["organization__slug"] for item in belongs["memberships"]] == ["acme"]
    assert [item["name"] for item in belongs["api_keys"]] == ["mine"]
    assert "key.issue" in {item["action"] for item in json.loads(content["audit.json"])}
    assert secret not in str(content)
    assert person.password not in str(content)
    assert client_of(house.people["owner"]).get(f"/account/export/{row.pk}").status_code == 404
    assert Client().get(f"/account/export/{row.pk}").status_code == 302
    PersonExport.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"/account/export/{row.pk}").status_code == 404
    write_exports()
    assert PersonExport.objects.count() == 0


# --- leaving


def test_a_deleted_person_is_a_number_everywhere(house: House) -> None:
    person = house.people["publisher"]
    email, name, number = person.email, person.name, person.pk
    actor = actor_for(person, house.acme)
    issue_key(actor=actor, organization=house.acme, person=person, name="mine", scopes=["read"])
    EmailAddress.objects.create(user=person, email=email, primary=True, verified=True)
    AuditEntry.objects.create(
        organization=house.globex, actor_kind="person", actor_name=name, action="license.given", target="t",
        details={"organization": "acme"},
    )  # fmt: skip
    AuditEntry.objects.create(
        organization=house.globex, actor_kind="person", actor_name=name, action="license.given", target="t",
        details={"organization": "another"},
    )  # fmt: skip
    client, elsewhere = signed_in(person), signed_in(person)
    Authenticator.objects.create(user=person, type="totp", data={})
    count = AuditEntry.objects.count()
    gone = client.post("/account/delete", {"password": PASSWORD})
    assert (gone.status_code, gone.headers["Location"]) == (302, "/")
    person.refresh_from_db()
    assert (person.email, person.name, person.is_active) == (f"deleted-{number}@deleted.invalid", "", False)
    assert not Membership.objects.filter(person=person).exists()
    assert not ApiKey.objects.filter(person=person).exists()
    assert not EmailAddress.objects.filter(user=person).exists()
    assert not Authenticator.objects.filter(user=person).exists()
    assert AuditEntry.objects.count() == count + 2
    entries = AuditEntry.objects.order_by("pk").values_list("actor_name", "target", "details")
    assert email not in str(list(entries))
    assert [row for row in entries if row[0] == name] == [(name, "t", {"organization": "another"})]
    by_number = AuditEntry.objects.filter(actor_kind="person", actor_id=number)
    assert set(by_number.values_list("actor_name", flat=True)) == {f"deleted-{number}"}
    assert elsewhere.get("/account").status_code == 302
    assert Client().post("/accounts/login/", {"login": email, "password": PASSWORD}).status_code == 200
    assert factories.person(email).pk != number


def test_the_last_owner_and_a_wrong_password_are_refused_and_nothing_changes(house: House) -> None:
    owner = house.people["owner"]
    client = client_of(owner)
    before = snapshot()
    alone = client.post("/account/delete", {"password": PASSWORD})
    assert (alone.status_code, "acme" in alone.content.decode()) == (409, True)
    assert client_of(house.people["buyer"]).post("/account/delete", {"password": "wrong"}).status_code == 403
    assert snapshot() == before
    Membership.objects.filter(person=house.people["buyer"]).update(role="owner")
    assert client.post("/account/delete", {"password": PASSWORD}).status_code == 302


def test_passwords_are_not_guessed_here(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace.throttling.time.time", lambda: 1_000_000_000.0)
    cache.clear()
    client = client_of(house.people["buyer"])
    answers = [client.post("/account/delete", {"password": "wrong"}).status_code for _turn in range(11)]
    assert answers == [403] * 10 + [429]


def test_trouble_in_the_middle_leaves_everything_as_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from marketplace.services import erase_person as erasing

    def fail(_person: Person) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(erasing, "forget_account", fail)
    person, before = house.people["buyer"], snapshot()
    with pytest.raises(DatabaseError):
        erase_person(actor=actor_for(person, house.acme), person=person, password=PASSWORD)
    assert snapshot() == before
    assert Person.objects.get(pk=person.pk).erased_at is None


@pytest.mark.parametrize(
    "change",
    [
        "actor_name = 'somebody'",
        "actor_name = 'deleted-{other}'",
        "target = 'deleted-{gone}'",
        'details = \'{{"holder": "deleted-{gone}"}}\'',
        "action = 'nothing.happened'",
        "actor_id = {gone}",
    ],
)
def test_an_erasure_opens_no_door_to_rewriting_the_trail(house: House, change: str) -> None:
    """Even in the transaction of an erasure, only that person's entries change, and only to their number."""
    gone, other = house.people["buyer"], house.people["owner"]
    create_organization(person=other, slug="umbrella", name="Umbrella")
    entry = AuditEntry.objects.get(target="umbrella")
    sql = change.format(gone=gone.pk, other=other.pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_person SET erased_at = transaction_timestamp() WHERE id = %s", [gone.pk])
        with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
            cursor.execute(f"UPDATE accounts_auditentry SET {sql} WHERE id = %s", [entry.pk])
        with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
            cursor.execute("DELETE FROM accounts_auditentry WHERE id = %s", [entry.pk])
    assert AuditEntry.objects.get(pk=entry.pk).target == "umbrella"


def test_invitations_to_a_deleted_person_go_with_them(house: House) -> None:
    outsider = factories.person("leaver@example.com")
    invite_member(actor=house.owner, organization=house.acme, email=outsider.email, role="viewer")
    assert client_of(outsider).post("/account/delete", {"password": PASSWORD}).status_code == 302
    assert Invitation.objects.count() == 0
