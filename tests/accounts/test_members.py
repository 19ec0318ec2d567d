"""Members and owners: the last owner stays, also when two act at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid
from accounts.models import ApiKey, AuditEntry, Membership, Organization, Person
from accounts.services import members as shared
from accounts.services.add_member import add_member
from accounts.services.change_role import change_role
from accounts.services.create_agent import create_agent
from accounts.services.create_organization import create_organization
from accounts.services.register_person import register_person
from accounts.services.remove_member import remove_member
from tests import factories
from tests.accounts.conftest import House, actor_for, snapshot
from tests.accounts.racing import at_once, codes


def owners(organization: Organization) -> int:
    return organization.memberships.filter(role="owner").count()


def test_adding_changing_and_removing_stand_in_the_audit_trail(house: House) -> None:
    person = factories.person("new@example.com")
    add_member(actor=house.owner, organization=house.acme, email=" NEW@example.com ", role="buyer")
    assert person.groups.get() == house.acme.group
    change_role(actor=house.owner, organization=house.acme, person=person, role="publisher")
    change_role(actor=house.owner, organization=house.acme, person=person, role="publisher")
    remove_member(actor=house.owner, organization=house.acme, person=person)
    assert person.groups.count() == 0
    told = AuditEntry.objects.filter(target="new@example.com").order_by("pk").values_list("action", "details")
    assert list(told) == [
        ("member.add", {"role": "buyer"}),
        ("member.change_role", {"from": "buyer", "to": "publisher"}),
        ("member.remove", {"revoked_keys": []}),
    ]


def test_an_owner_may_go_once_there_is_another(house: House) -> None:
    change_role(actor=house.owner, organization=house.acme, person=house.people["buyer"], role="owner")
    remove_member(actor=house.owner, organization=house.acme, person=house.people["owner"])
    assert owners(house.acme) == 1


def test_an_owner_whose_account_is_switched_off_does_not_count(house: House) -> None:
    Membership.objects.filter(person=house.people["buyer"]).update(role="owner")
    Person.objects.filter(pk=house.people["buyer"].pk).update(is_active=False)
    before = snapshot()
    with pytest.raises(Conflict, match="at least one owner"):
        remove_member(actor=house.owner, organization=house.acme, person=house.people["owner"])
    assert snapshot() == before


def test_who_was_demoted_since_the_request_began_does_nothing_any_more(house: House) -> None:
    Membership.objects.filter(person=house.people["buyer"]).update(role="owner")
    stale = actor_for(house.people["buyer"], house.acme)
    change_role(actor=house.owner, organization=house.acme, person=house.people["buyer"], role="buyer")
    before = snapshot()
    with pytest.raises(Forbidden) as refusal:
        change_role(actor=stale, organization=house.acme, person=house.people["viewer"], role="owner")
    assert refusal.value.code == "not_an_owner"
    assert snapshot() == before


def two_owners(house: House) -> tuple[Person, Person]:
    Membership.objects.filter(person=house.people["buyer"]).update(role="owner")
    return house.people["owner"], house.people["buyer"]


def removing_each_other(house: House, act: Callable[[Actor, Person], Any]) -> list[Any]:
    first, second = two_owners(house)
    actors = {person.pk: actor_for(person, house.acme) for person in (first, second)}
    return at_once(lambda: act(actors[first.pk], second), lambda: act(actors[second.pk], first))


def demote(house: House) -> Callable[[Actor, Person], Any]:
    return lambda actor, person: change_role(actor=actor, organization=house.acme, person=person, role="viewer")


def test_control_without_the_lock_two_owners_do_demote_each_other(
    committed_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, the races below might be useless: then the two never met."""
    both_have_read = threading.Barrier(2)

    def unlocked(actor: Actor, organization: Organization) -> list[Membership]:
        members = list(organization.memberships.select_related("person"))
        both_have_read.wait(timeout=60)
        return members

    monkeypatch.setattr("accounts.services.change_role.locked_members", unlocked)
    assert codes(removing_each_other(committed_house, demote(committed_house))) == ["done", "done"]
    assert owners(committed_house.acme) == 0


@pytest.mark.parametrize("way", ["demote", "remove"])
def test_two_owners_at_once_leave_one(committed_house: House, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    real = shared.membership_of

    def slow(*arguments: Any) -> Membership:
        # Between reading and writing: without the lock the other would read in this time.
        time.sleep(0.2)
        return real(*arguments)

    for module in ("change_role", "remove_member"):
        monkeypatch.setattr(f"accounts.services.{module}.membership_of", slow)
    acme = committed_house.acme

    def remove(actor: Actor, person: Person) -> None:
        remove_member(actor=actor, organization=acme, person=person)

    act = demote(committed_house) if way == "demote" else remove
    assert codes(removing_each_other(committed_house, act)) == ["done", "not_an_owner"]
    assert owners(acme) == 1
    assert AuditEntry.objects.filter(action__in=["member.change_role", "member.remove"]).count() == 1


def test_writing_audit_rows_does_not_wait_for_a_change_of_members(committed_house: House) -> None:
    """The lock is FOR NO KEY UPDATE: downloads, which add audit rows, go on meanwhile."""
    from django.db import connection, transaction

    from accounts.services import audit

    def entry() -> str:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            audit.record(actor=committed_house.owner, action="x", target="x", organization_id=committed_house.acme.pk)
        return "written"

    with transaction.atomic():
        shared.locked_members(committed_house.owner, committed_house.acme)
        assert at_once(entry) == ["written"]


def test_a_slug_is_claimed_once(committed_house: House) -> None:
    people = [factories.person() for _ in range(4)]
    before = Group.objects.count()
    claims = [lambda person=person: create_organization(person=person, slug="wanted", name="W") for person in people]
    assert codes(at_once(*claims)) == ["done", "slug_taken", "slug_taken", "slug_taken"]
    assert (Organization.objects.filter(slug="wanted").count(), Group.objects.count()) == (1, before + 1)
    assert Membership.objects.filter(organization__slug="wanted").count() == 1
    assert AuditEntry.objects.filter(action="organization.create", target="wanted").count() == 1


def test_an_agents_name_and_a_membership_are_claimed_once(committed_house: House) -> None:
    person, actor, acme = factories.person("new@example.com"), committed_house.owner, committed_house.acme
    made = at_once(*[lambda: create_agent(actor=actor, organization=acme, name="builder")] * 3)
    assert codes(made) == ["agent_name_taken", "agent_name_taken", "done"]
    added = at_once(*[lambda: add_member(actor=actor, organization=acme, email=person.email, role="buyer")] * 3)
    assert codes(added) == ["done", "member_already", "member_already"]
    assert AuditEntry.objects.filter(action__in=["agent.create", "member.add"]).count() == 2 + 2


def test_an_address_gets_one_account_in_whatever_case(committed_house: House) -> None:
    def register(email: str) -> Callable[[], Person]:
        return lambda: register_person(email=email, password="correct horse battery staple", name="New")

    assert codes(at_once(register("New@Example.com"), register("new@example.com"))) == ["done", "email_taken"]
    person = Person.objects.get(email="new@example.com")
    assert person.check_password("correct horse battery staple")


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"email": "no address"}, "person_invalid"),
        ({"language": "xx"}, "person_invalid"),
        ({"password": "password"}, "password_weak"),
        ({"password": "12345678901"}, "password_weak"),
    ],
)
def test_a_bad_registration_leaves_nothing(db: None, parts: dict[str, str], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        register_person(**{"email": "a@example.com", "password": "correct horse battery", **parts})
    assert (refusal.value.code, Person.objects.count(), AuditEntry.objects.count()) == (code, 0, 0)


def test_whoever_goes_takes_their_keys_along(house: House) -> None:
    from accounts.services.issue_key import issue_key

    buyer = house.people["buyer"]
    row, _secret = issue_key(
        actor=house.actor("buyer"), organization=house.acme, person=buyer, name="k", scopes=["license"]
    )
    remove_member(actor=house.owner, organization=house.acme, person=buyer)
    assert ApiKey.objects.get(pk=row.pk).revoked_at is not None
    assert AuditEntry.objects.get(action="member.remove").details == {"revoked_keys": [row.prefix]}
