"""Every page of the organization's and the account's area, by every role: who looks, who acts, and nothing changes else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import EnvironmentProfile, Invitation, Membership, OutgoingMail, Person, PersonExport, Webhook
from accounts.services.create_webhook import create_webhook
from accounts.services.invite_member import invite_member
from accounts.services.save_profile import save_profile
from experiences.models import Version
from tests import factories
from tests.accounts.conftest import snapshot
from tests.marketplace.conftest import Market

ROLES = ("owner", "publisher", "buyer", "viewer")
ASKERS = ("stranger", "outsider", "elsewhere", *ROLES)
"""``elsewhere``: an owner of acme who acts for another organization of theirs."""
ORG = "/organizations/acme"
NIL = "00000000-0000-0000-0000-000000000000"


def row(*roles: str, status: int = 200, hidden: int = 404, elsewhere: int = 403) -> dict[str, int]:
    """These roles get ``status``, other members 403, outsiders ``hidden``, strangers are sent to sign in."""
    statuses = {role: status if role in roles else 403 for role in ROLES}
    return {**statuses, "stranger": 302, "outsider": hidden, "elsewhere": elsewhere}


EVERY = row(*ROLES, elsewhere=200)
OWNER = row("owner")
LOOK: dict[str, dict[str, int]] = {
    ORG: EVERY,
    f"{ORG}/agents": EVERY,
    f"{ORG}/environments": EVERY,
    f"{ORG}/environments/web": EVERY,
    f"{ORG}/environments/absent": {**dict.fromkeys(ASKERS, 404), "stranger": 302},
    f"{ORG}/licenses": EVERY,
    f"{ORG}/audit": EVERY,
    f"{ORG}/audit.csv": EVERY,
    f"{ORG}/experiences": row(*ROLES),
    f"{ORG}/experiences/write-greeting": row(*ROLES),
    f"{ORG}/webhooks": OWNER,
    f"{ORG}/webhooks/{{hook}}": OWNER,
    f"{ORG}/webhooks/{NIL}": row("owner", status=404),
    f"{ORG}/hand-over": OWNER,
    "/account": {**dict.fromkeys(ASKERS, 200), "stranger": 302},
    "/account/delete": {**dict.fromkeys(ASKERS, 200), "stranger": 302},
    f"/account/export/{NIL}": {**dict.fromkeys(ASKERS, 404), "stranger": 302},
    "/invitations/nonsense": dict.fromkeys(ASKERS, 404),
    "/invitations/{invitation}": dict.fromkeys(ASKERS, 200),
}
REPORTERS = row("owner", "publisher", "buyer", status=302)
OWNERS_ACT = row("owner", status=302)
PUBLISHERS_ACT = row("owner", "publisher", status=302)
ACT: list[tuple[str, dict[str, str], dict[str, int]]] = [
    (f"{ORG}/environments", {"name": "new", "facts": '{"a.b": 1}'}, REPORTERS),
    (f"{ORG}/environments/web", {"do": "change", "name": "web", "note": "x"}, REPORTERS),
    (f"{ORG}/environments/web", {"do": "delete"}, REPORTERS),
    (ORG, {"do": "invite", "email": "x@new.example", "role": "viewer"}, OWNERS_ACT),
    (ORG, {"do": "uninvite", "invitation": "{invitation_id}"}, OWNERS_ACT),
    (f"{ORG}/agents", {"do": "create_agent", "name": "x"}, OWNERS_ACT),
    (f"{ORG}/agents", {"do": "deactivate_agent", "agent": "{agent}"}, OWNERS_ACT),
    (f"{ORG}/hand-over", {"do": "transfer", "person": "{viewer}", "own_role": "viewer"}, OWNERS_ACT),
    (f"{ORG}/webhooks", {"url": "https://x.example/", "events": "order.paid"}, row("owner")),
    (f"{ORG}/webhooks/{{hook}}", {"do": "off"}, OWNERS_ACT),
    (f"{ORG}/webhooks/{{hook}}", {"do": "rotate"}, row("owner")),
    (f"{ORG}/webhooks/{{hook}}", {"do": "delete"}, OWNERS_ACT),
    (f"{ORG}/experiences/write-greeting", {"do": "yank", "version": "1.0.0"}, PUBLISHERS_ACT),
    ("/invitations/{invitation}", {}, {**dict.fromkeys(ASKERS, 403), "stranger": 401}),
]


@pytest.fixture
def places(market: Market) -> dict[str, Any]:
    owner = factories.owner_actor(market.acme)
    for role in ROLES[1:]:
        Membership.objects.create(person=factories.person(f"{role}@acme.example"), organization=market.acme, role=role)
    save_profile(actor=owner, organization=market.acme, name="web", facts={"os.id": "debian"})
    hook, _secret = create_webhook(
        actor=owner, organization=market.acme, url="https://x.example/", kinds=["version.published"]
    )
    invited = invite_member(actor=owner, organization=market.acme, email="new@new.example", role="viewer")
    from accounts.domain.invitation_links import token_of

    return {
        "hook": hook.pk,
        "invitation": token_of(invited.pk, invited.generation),
        "invitation_id": invited.pk,
        "agent": factories.agent_key(market.acme).row.agent.name,  # type: ignore[union-attr]
        "viewer": Person.objects.get(email="viewer@acme.example").pk,
    }


def client_of(market: Market, asker: str) -> Client:
    client = Client()
    if asker == "stranger":
        return client
    if asker == "outsider":
        client.force_login(factories.owner_of(market.initech))
    elif asker in ("owner", "elsewhere"):
        person = factories.owner_of(market.acme)
        client.force_login(person)
        if asker == "elsewhere":
            factories.organization("umbrella", owner=person)
            client.post("/acting-organization", {"organization": "umbrella"})
    else:
        client.force_login(Person.objects.get(email=f"{asker}@acme.example"))
    return client


def everything() -> dict[str, Any]:
    kept: dict[str, Any] = snapshot()
    for model, names in (
        (EnvironmentProfile, ("name", "note", "facts")),
        (Webhook, ("id", "url", "is_active", "sealed_secret")),
        (Invitation, ("id", "generation", "revoked_at", "accepted_at")),
        (OutgoingMail, ("id",)),
        (PersonExport, ("id",)),
        (Version, ("id", "yanked_at")),
    ):
        kept[model.__name__] = list(model._default_manager.order_by("pk").values_list(*names))
    return kept


@pytest.mark.parametrize("asker", ASKERS)
def test_pages_open_to_whom_they_should(market: Market, places: dict[str, Any], asker: str) -> None:
    client = client_of(market, asker)
    before = everything()
    told = {path: client.get(path.format(**places)).status_code for path in LOOK}
    assert told == {path: statuses[asker] for path, statuses in LOOK.items()}
    assert everything() == before


DONE = [
    pytest.param(path, form, asker, status, id=f"{asker} {form.get('do', 'post')} {path}")
    for path, form, statuses in ACT
    for asker, status in statuses.items()
    if asker != "stranger" and status in (200, 302)
]


def sent(client: Client, places: dict[str, Any], path: str, form: dict[str, str]) -> int:
    filled = {name: value if '"' in value else value.format(**places) for name, value in form.items()}
    return client.post(path.format(**places), filled).status_code


@pytest.mark.parametrize("asker", ASKERS)
def test_forms_change_nothing_for_those_who_may_not(market: Market, places: dict[str, Any], asker: str) -> None:
    client = client_of(market, asker)
    before = everything()
    refused = [row for row in ACT if row[2][asker] not in (200, 302) or asker == "stranger"]
    assert refused
    for path, form, statuses in refused:
        assert (path, form, sent(client, places, path, form)) == (path, form, statuses[asker])
    assert everything() == before


@pytest.mark.parametrize(("path", "form", "asker", "status"), DONE)
def test_forms_do_it_for_those_who_may(
    market: Market, places: dict[str, Any], path: str, form: dict[str, str], asker: str, status: int
) -> None:
    client = client_of(market, asker)
    before = everything()
    assert sent(client, places, path, form) == status
    assert everything() != before


def test_members_make_and_revoke_their_own_keys_on_the_page(market: Market, places: dict[str, Any]) -> None:
    client, page = client_of(market, "viewer"), f"{ORG}/agents"
    text = client.get(page).content.decode()
    assert 'value="read"' in text
    assert 'value="publish"' not in text
    made = client.post(page, {"do": "issue_key", "name": "mine", "holder": "me", "scopes": "read", "days": "30"})
    assert "kk_" in made.content.decode()
    key = market.acme.api_keys.get(name="mine")
    other = market.acme.api_keys.exclude(name="mine").get()
    assert client.post(page, {"do": "revoke_key", "key": str(other.pk)}).status_code == 403
    assert client.post(page, {"do": "revoke_key", "key": str(key.pk)}).status_code == 302
    key.refresh_from_db()
    other.refresh_from_db()
    assert (key.revoked_at is not None, other.revoked_at) == (True, None)
    more = client.post(page, {"do": "issue_key", "name": "more", "holder": "me", "scopes": "publish", "days": "30"})
    assert (more.status_code, market.acme.api_keys.filter(name="more").exists()) == (422, False)
