"""Making and ending keys: never more than the maker may, shown once, ended at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import key_actor
from accounts.domain.refusals import Forbidden, Refusal
from accounts.models import ApiKey, AuditEntry
from accounts.services.deactivate_agent import deactivate_agent
from accounts.services.issue_key import issue_key
from accounts.services.revoke_key import revoke_key
from tests.accounts.conftest import AGENT, House, actor_for, unchanged
from tests.accounts.racing import at_once, codes


def refused(house: House, **parts: Any) -> str:
    """The code of the refusal, which must have changed nothing."""
    wanted = {"actor": house.owner, "organization": house.acme, "name": "x", "scopes": ["read"], **parts}

    def act() -> str:
        with pytest.raises(Refusal) as refusal:
            issue_key(**wanted)
        return refusal.value.code

    return str(unchanged(act))


def test_a_key_is_shown_once_and_kept_as_a_hash(house: House) -> None:
    expires_at = timezone.now() + timedelta(days=30)
    row, secret = issue_key(
        actor=house.owner,
        organization=house.acme,
        agent=house.agent,
        name="ci",
        scopes=["report", "read", "read"],
        expires_at=expires_at,
    )
    kept = ApiKey.objects.get(pk=row.pk)
    assert (kept.scopes, kept.expires_at, kept.person_id) == (["read", "report"], expires_at, None)
    assert secret.split("_")[1] == kept.prefix
    assert secret not in str(vars(kept))
    entry = AuditEntry.objects.get(action="key.issue", target=kept.prefix)
    assert entry.details == {"holder": house.agent.name, "scopes": ["read", "report"]}


def test_nobody_gives_more_than_they_have(house: House) -> None:
    viewer, buyer = house.people["viewer"], house.people["buyer"]
    assert refused(house, actor=house.actor("viewer"), person=viewer, scopes=["download"]) == "scope_not_allowed"
    assert refused(house, actor=house.actor("buyer"), person=buyer, scopes=["publish"]) == "scope_not_allowed"
    assert refused(house, actor=house.actor("publisher"), agent=house.agent) == "scope_missing"
    assert refused(house, agent=house.agent, scopes=["admin"]) == "scope_not_allowed"


def test_people_make_their_own_keys(house: House) -> None:
    assert refused(house, person=house.people["viewer"]) == "key_of_another"
    _holder, agent = key_actor(house.keys[AGENT].secret)
    assert refused(house, actor=agent, agent=house.agent) == "scope_missing"
    assert refused(house, actor=agent, person=house.people["owner"]) in ("key_of_another", "scope_missing")


def test_a_key_needs_exactly_one_holder_of_the_organization(house: House) -> None:
    from tests import factories

    foreign = factories.agent_key(house.globex).row.agent
    assert refused(house) == "key_holder_missing"
    assert refused(house, agent=house.agent, person=house.people["owner"]) == "key_holder_missing"
    assert refused(house, agent=foreign) == "key_holder_missing"
    assert refused(house, organization=house.globex, agent=foreign) == "wrong_organization"
    deactivate_agent(actor=house.owner, agent=house.agent)
    assert refused(house, agent=house.agent) == "key_holder_missing"


def test_a_key_makes_keys_only_as_an_administrator_and_none_that_outlive_it(house: House) -> None:
    owner, soon = house.people["owner"], timezone.now() + timedelta(days=1)
    plain = issue_key(actor=house.owner, organization=house.acme, person=owner, name="a", scopes=["read"])[1]
    assert refused(house, actor=key_actor(plain)[1], person=owner) == "scope_missing"
    ending = issue_key(
        actor=house.owner,
        organization=house.acme,
        person=owner,
        name="b",
        scopes=["read", "admin"],
        expires_at=soon,
    )[1]
    actor = key_actor(ending)[1]
    assert refused(house, actor=actor, agent=house.agent) == "expiry_invalid"
    assert refused(house, actor=actor, agent=house.agent, expires_at=soon + timedelta(seconds=1)) == "expiry_invalid"
    assert refused(house, actor=actor, agent=house.agent, scopes=["publish"], expires_at=soon) == "scope_not_allowed"
    row, _secret = issue_key(
        actor=actor, organization=house.acme, agent=house.agent, name="c", scopes=["read"], expires_at=soon
    )
    entry = AuditEntry.objects.get(action="key.issue", target=row.prefix)
    assert entry.api_key_id == actor.api_key_id is not None


def test_owners_end_every_key_people_their_own_and_keys_themselves(house: House) -> None:
    viewer = house.people["viewer"]
    row, _secret = issue_key(
        actor=house.actor("viewer"), organization=house.acme, person=viewer, name="k", scopes=["read"]
    )
    with pytest.raises(Forbidden):
        unchanged(lambda: revoke_key(actor=house.actor("buyer"), key=row))
    with pytest.raises(Forbidden):
        unchanged(lambda: revoke_key(actor=actor_for_outsider(house), key=row))
    revoke_key(actor=house.actor("viewer"), key=row)
    assert ApiKey.objects.get(pk=row.pk).revoked_at is not None
    itself = replace(
        house.owner, kind="agent", id=house.agent.pk, scopes=frozenset(), api_key_id=house.keys[AGENT].row.pk
    )
    revoke_key(actor=itself, key=house.keys[AGENT].row)
    assert AuditEntry.objects.filter(action="key.revoke").count() == 2


def actor_for_outsider(house: House) -> Any:
    return actor_for(house.globex.memberships.get().person, house.globex)


def test_revoking_twice_or_at_once_is_one_revocation(committed_house: House) -> None:
    key = committed_house.keys[AGENT].row
    actor = committed_house.owner
    assert codes(at_once(*[lambda: revoke_key(actor=actor, key=key)] * 4)) == ["done"] * 4
    assert AuditEntry.objects.filter(action="key.revoke").count() == 1
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    revoke_key(actor=actor, key=key)
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first


def test_switching_an_agent_off_ends_its_keys_and_only_its(house: House) -> None:
    deactivate_agent(actor=house.owner, agent=house.agent)
    deactivate_agent(actor=house.owner, agent=house.agent)
    assert not house.agent.is_active
    assert list(ApiKey.objects.filter(revoked_at__isnull=False).values_list("agent_id", flat=True)) == [house.agent.pk]
    [entry] = AuditEntry.objects.filter(action="agent.deactivate")
    assert entry.details == {"revoked_keys": [house.keys[AGENT].row.prefix]}


def test_the_lists_page_and_never_show_a_hash(house: House) -> None:
    client = Client()
    client.force_login(house.people["owner"])
    seen: list[int] = []
    url = "/api/v1/organizations/acme/keys?limit=1"
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get(f"{url}&cursor={cursor}").json()
        seen += [row["id"] for row in answer["results"]]
        assert "sha256" not in str(answer)
        cursor = answer["next"]
    assert seen == sorted(ApiKey.objects.values_list("id", flat=True), reverse=True)
    back = client.get(f"{url}&cursor={answer['previous']}").json()
    assert [row["id"] for row in back["results"]] == [seen[-2]]
