"""Invitations by mail, handing an organization over, closing it: by those who may, once, and nothing half done."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.domain.invitation_links import token_of
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Organization, OutgoingMail, Person
from accounts.services import invite_member as inviting
from accounts.services.outgoing_mail import send_mails
from accounts.services.remove_member import remove_member
from tests import factories
from tests.accounts.conftest import House

PATH = "organizations/acme/invitations"
NEW = "mika@new.example"


def invite(house: House, email: str = NEW, role: str = "publisher") -> Invitation:
    answer = house.ask("owner", "POST", PATH, {"email": email, "role": role})
    assert answer.status_code == 201, answer.content
    return Invitation.objects.get(pk=answer.json()["id"])


def link_of(invitation: Invitation) -> str:
    return f"/invitations/{token_of(invitation.pk, invitation.generation)}"


def client_of(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def roles(house: House) -> dict[str, str]:
    return dict(house.acme.memberships.values_list("person__email", "role"))


def test_the_link_in_the_mail_lets_the_invited_person_join_once(house: House) -> None:
    invite(house)
    assert send_mails() == 1
    letter = mail.outbox[0]
    assert (letter.to, letter.subject) == ([NEW], "Invitation to Acme")
    link = re.search(r"http://\S+?(/invitations/\S+)", letter.body)
    assert link is not None
    stranger = Client()
    read = stranger.get(link[1])
    assert read.status_code == 200
    assert "/accounts/signup/?next=" in read.content.decode()
    person = factories.person(NEW)
    client = client_of(person)
    assert "Join" in client.get(link[1]).content.decode()
    assert NEW not in roles(house)
    assert client.post(link[1]).headers["Location"] == "/organizations/acme"
    assert client.post(link[1]).status_code == 302
    assert (roles(house)[NEW], person.groups.filter(name="org:acme").count()) == ("publisher", 1)
    assert AuditEntry.objects.filter(action="member.join", target=NEW).count() == 1
    assert not OutgoingMail.objects.exclude(body="").exists()


def test_a_link_is_over_for_others_after_its_time_when_taken_back_and_when_sent_anew(house: House) -> None:
    first = invite(house)
    other = client_of(factories.owner_of(house.globex))
    refused = other.post(link_of(first))
    assert refused.status_code == 403
    assert "another e-mail address" in refused.content.decode()
    assert Client().post(link_of(first)).status_code == 401
    client = client_of(factories.person(NEW))
    second = invite(house, role="viewer")
    assert second.pk == first.pk
    assert client.post(link_of(first)).status_code == 404
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.post(link_of(second)).status_code == 409
    third = invite(house, role="viewer")
    assert house.ask("owner", "DELETE", f"{PATH}/{third.pk}").status_code == 204
    assert client.post(link_of(third)).status_code == 409
    assert client.post("/invitations/nonsense").status_code == 404
    assert client.post(link_of(third)[:-1] + "x").status_code == 404
    assert NEW not in roles(house)


def test_whoever_was_removed_does_not_come_back_by_the_old_link(house: House) -> None:
    invited = invite(house)
    person = factories.person(NEW)
    client = client_of(person)
    client.post(link_of(invited))
    remove_member(actor=house.owner, organization=house.acme, person=person)
    assert client.post(link_of(invited)).status_code == 409
    assert NEW not in roles(house)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "viewer@acme.example", "role": "buyer"}, 409, "member_already"),
        ({"email": NEW, "role": "king"}, 422, "role_unknown"),
        ({"email": "nonsense", "role": "buyer"}, 400, "invalid_request"),
    ],
)
def test_bad_invitations_are_refused_and_no_mail_is_written(house: House, body: Any, status: int, code: str) -> None:
    refused = house.ask("owner", "POST", PATH, body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (Invitation.objects.count(), OutgoingMail.objects.count()) == (0, 0)


def test_there_is_an_end_to_how_many_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inviting, "OPEN_MAX", 1)
    invite(house)
    refused = house.ask("owner", "POST", PATH, {"email": "second@new.example", "role": "viewer"})
    assert (refused.status_code, refused.json()["code"]) == (409, "invitations_too_many")
    assert Invitation.objects.count() == OutgoingMail.objects.count() == 1


def test_owners_invite_and_take_back_on_the_page_of_members(house: House) -> None:
    client, page = client_of(house.people["owner"]), "/organizations/acme"
    assert client.post(page, {"do": "invite", "email": NEW, "role": "buyer"}).status_code == 302
    row = Invitation.objects.get()
    assert NEW in client.get(page).content.decode()
    assert client.post(page, {"do": "uninvite", "invitation": "x"}).status_code == 404
    assert client.post(page, {"do": "uninvite", "invitation": str(row.pk)}).status_code == 302
    assert NEW not in client.get(page).content.decode()
    assert (
        client_of(house.people["viewer"]).post(page, {"do": "invite", "email": NEW, "role": "owner"}).status_code == 403
    )
    assert Invitation.objects.count() == 1


def test_ownership_goes_over_in_one_step(house: House) -> None:
    owner, heir = house.people["owner"], house.people["publisher"]
    body = {"person": heir.pk, "own_role": "viewer"}
    assert house.ask("publisher", "POST", "organizations/acme/transfer", body).status_code == 403
    assert house.ask("owner", "POST", "organizations/acme/transfer", {**body, "own_role": "king"}).status_code == 422
    own = house.ask("owner", "POST", "organizations/acme/transfer", {**body, "person": owner.pk})
    assert (own.status_code, own.json()["code"]) == (409, "transfer_to_oneself")
    assert (roles(house)[owner.email], roles(house)[heir.email]) == ("owner", "publisher")
    assert house.ask("owner", "POST", "organizations/acme/transfer", body).status_code == 204
    assert (roles(house)[owner.email], roles(house)[heir.email]) == ("viewer", "owner")
    assert house.ask("owner", "POST", "organizations/acme/transfer", body).status_code == 403


def test_an_organization_is_closed_by_its_last_member_when_nobody_needs_it(house: House) -> None:
    owner = house.people["owner"]
    client, page = client_of(owner), "/organizations/acme/hand-over"
    in_use = client.post(page, {"do": "close", "confirmation": "acme"})
    assert in_use.status_code == 409
    assert "other members" in in_use.content.decode()
    for role in ("publisher", "buyer", "viewer"):
        remove_member(actor=house.owner, organization=house.acme, person=house.people[role])
    assert client.post(page, {"do": "close", "confirmation": "globex"}).status_code == 422
    assert Organization.objects.get(slug="acme").closed_at is None
    assert client.post(page, {"do": "close", "confirmation": "acme"}).headers["Location"] == "/account"
    assert Membership.objects.filter(organization=house.acme).count() == 0
    assert not ApiKey.objects.filter(organization=house.acme, revoked_at__isnull=True).exists()
    assert client.get("/organizations/acme").status_code == 404
    assert AuditEntry.objects.filter(action="organization.close").count() == 1
    again = house.ask("owner", "POST", "organizations", {"slug": "acme", "name": "Acme"})
    assert (again.status_code, again.json()["code"]) == (409, "slug_taken")
