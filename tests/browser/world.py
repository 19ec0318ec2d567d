"""A market in which every page has something to show, and the people who look at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.test import Client

from accounts.domain.events import EVENTS
from accounts.domain.invitation_links import token_of
from accounts.models import Membership, Organization, Person
from accounts.services.create_webhook import create_webhook
from accounts.services.deliver_webhooks import fan_out
from accounts.services.invite_member import invite_member
from accounts.services.save_profile import save_profile
from licensing.models import Offer, Order
from licensing.services.create_offer import Pricing, create_offer
from marketplace.models import Rating
from marketplace.services.refresh_quality import refresh_quality
from tests import factories
from tests.marketplace.conftest import Market, judge, open_market, publish, report_of

LONG = "restore-the-quarterly-ledger-of-a-subsidiary-from-encrypted-off-site-backups"


@dataclass
class World:
    """acme publishes, globex uses; ``people`` by what they are, ``places`` for the table's addresses."""

    market: Market
    people: dict[str, Person | None]
    places: dict[str, Any]
    sessions: dict[int, str]
    """By a person's id: the key of a session in which they are signed in."""

    def address(self, path: str) -> str:
        return path.format(**self.places)


def build_world() -> World:
    market = open_market()
    acme, globex = market.acme, market.globex
    proof = judge(market.public)
    judge(market.public, "failed", environment="debian-12-web", reason="file('work/greeting.txt').exists")
    market.grant()
    use_and_rate(market)
    facts = {"os.family": "linux", "os.id": "debian", "os.version": "12", "host.memory_mib": 4096}
    save_profile(
        actor=factories.owner_actor(globex), organization=globex, name="build-box", facts=facts, note="In the cellar."
    )
    webhook, _secret = create_webhook(
        actor=factories.owner_actor(acme), organization=acme, url="https://ci.example.com/keiken", kinds=list(EVENTS)
    )
    invited = invite_member(
        actor=factories.owner_actor(acme), organization=acme, email="newcomer@example.com", role="publisher"
    )
    newer = publish(market.acme, version="1.1.0", title="Write a greeting to a file")
    publish(acme, name=LONG[:64].strip("-"), title=LONG.replace("-", " ").capitalize(), topics=["backup", "ledger"])
    priced, order = sell(market)
    refresh_quality()
    fan_out()
    people: dict[str, Person | None] = {
        "stranger": None,
        "newcomer": factories.person("newcomer@example.com"),
        "member": member(globex, "viewer"),
        "buyer": factories.owner_of(globex),
        "publisher": factories.owner_of(acme),
        "operator": factories.person("operator@example.com", is_staff=True, is_superuser=True),
    }
    return World(
        market=market,
        people=people,
        sessions={person.pk: sign_in(person) for person in people.values() if person},
        places={
            "experience": "/experiences/acme/write-greeting",
            "proof": proof.pk,
            "running": newer.verifications.get(environment_name="debian-12").pk,
            "rating": Rating.objects.get().pk,
            "complaint": complain(market),
            "offer": market.offer.pk,
            "priced": priced.pk,
            "order": order.number,
            "webhook": webhook.pk,
            "invitation": token_of(invited.pk, invited.generation),
        },
    )


def sign_in(person: Person) -> str:
    client = Client()
    client.force_login(person)
    client.get("/accounts/email/")  # allauth adds the row of the address at the first look
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def member(organization: Organization, role: str) -> Person:
    person = factories.person(f"{role}@example.com")
    Membership.objects.create(person=person, organization=organization, role=role)
    return person


def use_and_rate(market: Market) -> None:
    """globex replays, reports and rates, as an agent of its does."""
    headers = market.key(market.globex).headers
    path = "/api/v1/experiences/acme/write-greeting"
    report = report_of(market.public)
    rating = {"stars": 4, "text": "Worked at once.", "replay_id": report["replay_id"]}
    Client().post(f"{path}/reports", report, content_type="application/json", headers=headers)
    answer = Client().put(f"{path}/rating", rating, content_type="application/json", headers=headers)
    assert answer.status_code in (200, 201), answer.content


def complain(market: Market) -> str:
    """acme finds the rating unfair and says so; the case waits for a reviewer."""
    path = f"/api/v1/ratings/{Rating.objects.get().pk}/abuse-reports"
    report = {"reason": "conflict", "text": "They sell something alike."}
    headers = market.key(market.acme).headers
    answer = Client().post(path, report, content_type="application/json", headers=headers)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def sell(market: Market) -> tuple[Offer, Order]:
    """A paid offer of acme's, and globex's order of it."""
    version = publish(market.acme, name="sell-greeting", title="Sell a greeting")
    judge(version)
    offer = create_offer(
        actor=factories.owner_actor(market.acme),
        experience=version.experience,
        terms=market.offer.terms,
        kind="purchase",
        pricing=Pricing(price_minor=4_900, currency="EUR"),
    )
    client = market.signed_in(market.globex)
    path = f"/experiences/acme/sell-greeting/offers/{offer.pk}"
    client.post(path, {"agree": "1", "terms_sha256": offer.terms.text_sha256})
    return offer, Order.objects.get()
