"""Quality as it is gathered and kept: who is one party with whom, what counts as paid, and that it stays in step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Membership, Organization
from experiences.models import Experience, Version
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.place_order import place_order
from licensing.services.record_invoice import record_invoice
from marketplace.domain.quality import Evidence, score
from marketplace.interest import is_run_by_people_of
from marketplace.models import QualityScore, Rating, ReplayReport
from marketplace.quality import evidence_of
from marketplace.services.refresh_quality import refresh_one, refresh_quality
from marketplace.services.scoring import ask_for_score
from marketplace.tasks import refresh_quality as refresh_task
from tests import factories
from tests.marketplace.conftest import Market, judge, publish, report_of
from tests.marketplace.test_reviews import API, FACTS, PATH, call

OPERATOR = Actor(kind="person", id=0, name="operator", is_operator=True)


def report(market: Market, organization: Organization, **parts: Any) -> ReplayReport:
    """A report as the use case stores it, without the license it asks for."""
    body = report_of(market.public, facts=FACTS, **parts)
    return ReplayReport.objects.create(
        replay_id=body["replay_id"], organization=organization, actor_kind="agent", actor_name="agent",
        version=market.public, outcome=body["outcome"], facts=body["facts"], report=body,
        is_by_insiders=is_run_by_people_of(organization.pk, market.acme.pk),
    )  # fmt: skip


def rate(market: Market, organization: Organization, stars: int) -> Rating:
    return Rating.objects.create(
        experience=market.public.experience, major=1, organization=organization,
        report=report(market, organization), stars=stars,
        is_by_insiders=is_run_by_people_of(organization.pk, market.acme.pk),
    )  # fmt: skip


def evidence(version: Version) -> Evidence:
    return evidence_of(Experience.objects.get(pk=version.experience_id), version)


def part(version: Version, name: str) -> dict[str, Any]:
    [found] = [item for item in score(evidence(version)).components if item.name == name]
    return {"value": found.value, **found.evidence}


def buy(market: Market, buyer: Organization, seller: Organization | None = None) -> None:
    """The buyer pays for something of the seller's, acme by default."""
    version = market.public if seller is None else publish(seller, name=f"made-by-{seller.slug}")
    seller = seller or market.acme
    from licensing.services.create_terms import create_terms

    actor = factories.owner_actor(seller)
    terms = create_terms(
        actor=actor, organization=seller, name=f"for-{buyer.slug}", kind="custom", text="Text.", uses=["replay"]
    )
    offer = create_offer(
        actor=actor, experience=version.experience, terms=terms, kind="purchase",
        pricing=Pricing(price_minor=1_000, currency="EUR"),
    )  # fmt: skip
    order = place_order(
        actor=factories.owner_actor(buyer), offer_id=offer.pk, terms_sha256=terms.text_sha256, coupon="", return_url=""
    )
    record_invoice(actor=OPERATOR, number=order.number, kind="paid", amount_minor=1_000, reference=f"bank-{buyer.slug}")


def test_the_publishers_own_party_counts_for_nothing(market: Market) -> None:
    founder = factories.owner_of(market.acme)
    second = factories.organization("acme-two", owner=founder)
    run_by_an_employee = factories.organization("on-the-side")
    employee = factories.owner_of(run_by_an_employee)
    Membership.objects.create(person=employee, organization=market.acme, role="publisher")
    before = score(evidence(market.public))
    for organization in (market.acme, second, run_by_an_employee):
        rate(market, organization, 5)
        for _ in range(30):
            report(market, organization, savings={"steps": 900, "model_tokens": 10**9})
    assert score(evidence(market.public)) == before
    assert before.value == 0.1


def test_what_insiders_say_through_an_organization_of_theirs_counts_for_nothing_then_and_later(market: Market) -> None:
    market.grant()
    member = Membership.objects.create(
        person=factories.owner_of(market.globex), organization=market.acme, role="viewer"
    )
    headers, body = market.key(market.globex).headers, report_of(market.public)
    assert call("post", f"{API}/reports", headers, body).status_code == 201
    answer = call("put", f"{API}/rating", headers, {"stars": 5, "replay_id": body["replay_id"]})
    assert answer.status_code == 201
    member.delete()
    assert (part(market.public, "ratings")["parties"], part(market.public, "field")["parties"]) == (0, 0)


def test_who_joins_the_publisher_later_has_spoken_before(market: Market) -> None:
    rate(market, market.globex, 1)
    Membership.objects.create(person=factories.owner_of(market.globex), organization=market.acme, role="viewer")
    assert (part(market.public, "ratings")["parties"], part(market.public, "field")["parties"]) == (1, 1)


def test_organizations_of_one_founder_are_one_party(market: Market) -> None:
    rival = factories.person()
    for number in range(5):
        rate(market, factories.organization(f"puppet-{number}", owner=rival), 1)
    one = part(market.public, "ratings")
    assert (one["parties"], one["weight"], one["value"]) == (1, 1.0, round(((15 + 1) / 6 - 1) / 4, 4))


def test_nobody_is_drawn_into_a_party_by_being_added_to_an_organization(market: Market) -> None:
    for organization in (market.globex, market.initech):
        rate(market, organization, 5)
        honest, rival = factories.owner_of(organization), factories.person()
        trap = factories.organization(f"trap-{organization.slug}", owner=rival)
        Membership.objects.create(person=honest, organization=trap, role="owner")
        Membership.objects.create(person=rival, organization=organization, role="viewer")
    assert part(market.public, "ratings")["parties"] == 2


def test_who_paid_somebody_else_is_backed_and_who_paid_themselves_is_not(market: Market) -> None:
    schemer = factories.person()
    shop, puppet = (factories.organization(slug, owner=schemer) for slug in ("their-shop", "their-puppet"))
    buy(market, market.globex)
    buy(market, puppet, seller=shop)
    for organization in (market.globex, market.initech, puppet):
        rate(market, organization, 5)
    backed = {vote.party: vote.is_backed for vote in evidence(market.public).votes}
    founder = {org.slug: factories.owner_of(org).pk for org in (market.globex, market.initech)}
    assert backed == {founder["globex"]: True, founder["initech"]: False, schemer.pk: False}


def test_what_was_paid_back_backs_nobody(market: Market) -> None:
    buy(market, market.globex)
    rate(market, market.globex, 5)
    [vote] = evidence(market.public).votes
    assert vote.is_backed
    from licensing.models import Order

    number = Order.objects.get().number
    record_invoice(actor=OPERATOR, number=number, kind="refunded", amount_minor=1_000, reference="back")
    [vote] = evidence(market.public).votes
    assert not vote.is_backed


def test_the_field_is_told_by_environment_and_by_party_not_by_report(market: Market) -> None:
    for _ in range(40):
        report(market, market.globex)
    report(market, market.initech, outcome="diverged")
    report(market, market.initech, outcome="refused")
    report(market, market.initech, outcome="error")
    field = part(market.public, "field")
    assert (field["parties"], field["trials"]) == (2, round(20 / 21 + 1 / 2, 2))
    assert [(place["name"], place["parties"]) for place in field["environments"]] == [("debian 12.11", 2)]


def test_old_reports_and_other_version_lines_do_not_count(market: Market) -> None:
    row = report(market, market.globex)
    ReplayReport.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=181))
    assert part(market.public, "field")["parties"] == 0
    report(market, market.globex)
    newer = publish(market.acme, version="2.0.0")
    assert part(newer, "field")["parties"] == 0


def test_proofs_count_while_they_are_signed_and_fresh(market: Market) -> None:
    assert part(market.public, "verification")["value"] == 0
    judge(market.public)
    found = part(market.public, "verification")
    assert (found["environments"], found["passing"], found["verdicts"]) == (1, 1, 1)
    assert found["value"] == pytest.approx(0.5, abs=0.01)
    judge(market.public, "failed", environment="debian-12-web")
    assert part(market.public, "verification")["value"] == pytest.approx(0.25, abs=0.01)
    judge(market.public, "precondition_unmet", environment="debian-12-data")
    assert part(market.public, "verification")["environments"] == 2


def test_care_counts_from_the_failed_proof_to_the_next_pass(market: Market) -> None:
    failed = judge(market.public, "failed")
    assert part(market.public, "maintenance")["value"] == 0
    judge(market.public, environment="debian-12-web")
    moment = timezone.now() - timedelta(days=14)
    type(failed).objects.filter(pk=failed.pk).update(finished_at=moment)
    still = part(market.public, "maintenance")
    assert (still["troubles"], still["open"], still["value"]) == (1, 1, pytest.approx(0.75, abs=0.01))
    mended = publish(market.acme, version="1.0.1")
    judge(mended)
    over = part(mended, "maintenance")
    assert (over["troubles"], over["open"], over["median_days"]) == (1, 0, 14.0)


def test_savings_come_from_the_reports(market: Market) -> None:
    market.grant()
    headers = market.key(market.globex).headers
    body = report_of(market.public, savings={"steps": 10, "model_tokens": 10_000})
    assert call("post", f"{API}/reports", headers, body).status_code == 201
    found = part(market.public, "savings")
    assert (found["parties"], found["median_steps"], found["median_tokens"]) == (1, 10, 10_000)
    assert found["value"] == round(0.5 / 4, 4)


@pytest.mark.parametrize("savings", [{"steps": -1}, {"steps": "many"}, {"model_tokens": 10**11}, {"days": 3}, 5])
def test_savings_that_cannot_be_are_refused(market: Market, savings: Any) -> None:
    market.grant()
    answer = call(
        "post", f"{API}/reports", market.key(market.globex).headers, report_of(market.public, savings=savings)
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "report_malformed")
    assert ReplayReport.objects.count() == 0


def test_a_report_without_savings_has_the_form_it_always_had(market: Market) -> None:
    market.grant()
    headers, body = market.key(market.globex).headers, report_of(market.public)
    assert call("post", f"{API}/reports", headers, body).status_code == 201
    assert "savings" not in ReplayReport.objects.get().report
    assert call("post", f"{API}/reports", headers, {**body, "savings": None}).status_code == 200


def test_it_is_worked_out_kept_and_shown_with_every_part(market: Market) -> None:
    judge(market.public)
    rate(market, market.globex, 5)
    ask_for_score(market.public.experience_id)
    assert refresh_quality() == 2
    row = QualityScore.objects.get(pk=market.public.experience_id)
    detail = Client().get(API).json()
    parts = detail["quality_parts"]["components"]
    assert (detail["quality"], detail["quality_parts"]["value"]) == (row.value, row.value)
    assert [item["name"] for item in parts] == ["verification", "field", "ratings", "maintenance", "savings"]
    assert row.value == pytest.approx(sum(item["value"] * item["weight"] for item in parts), abs=1e-4)
    assert market.public.experience.__class__.objects.get(pk=row.pk).replay_count == 1
    shown = Client().get(PATH).content.decode()
    assert "How this number is made" in shown
    assert f"<strong>{round(row.value * 100)}</strong>" in shown
    assert "of 100</a>" in Client().get("/browse").content.decode()
    ja = Client(headers={"accept-language": "ja"}).get(PATH).content.decode()
    assert "この数値の内訳" in ja


def test_what_is_asked_for_meanwhile_stays_asked_for(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    from marketplace.services import refresh_quality as module

    number = market.public.experience_id
    refresh_quality()
    ask_for_score(number)

    def slow(*arguments: Any) -> Evidence:
        ask_for_score(number)
        return Evidence()

    monkeypatch.setattr(module, "evidence_of", slow)
    row = refresh_one(number)
    assert (row.asked, row.answered) == (2, 1)
    monkeypatch.undo()
    assert refresh_quality() == 1
    assert refresh_quality() == 0


def test_what_knew_less_does_not_replace_what_knew_more(market: Market) -> None:
    number = market.public.experience_id
    refresh_one(number)
    QualityScore.objects.filter(pk=number).update(asked=3, answered=9, value=0.9)
    assert refresh_one(number).value == 0.9


def test_new_verdicts_and_age_make_it_due(market: Market) -> None:
    refresh_quality()
    assert refresh_quality() == 0
    judge(market.public)
    assert refresh_quality() == 1
    assert QualityScore.objects.get(pk=market.public.experience_id).value == pytest.approx(0.4, abs=0.01)
    QualityScore.objects.update(computed_at=timezone.now() - timedelta(hours=25))
    assert refresh_task() == 2


def test_one_that_cannot_be_worked_out_does_not_hold_up_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from marketplace.services import refresh_quality as module

    def broken(experience: Experience, version: Version) -> Evidence:
        if experience.pk == market.public.experience_id:
            raise ZeroDivisionError
        return evidence_of(experience, version)

    monkeypatch.setattr(module, "evidence_of", broken)
    with transaction.atomic():
        refresh_quality()
    assert "cannot be worked out" in caplog.text
    assert QualityScore.objects.get(pk=market.private.experience_id).value == 0.1
    assert QualityScore.objects.get(pk=market.public.experience_id).value is None


def test_a_withdrawn_experience_has_no_quality(market: Market) -> None:
    refresh_quality()
    Experience.objects.filter(pk=market.public.experience_id).update(latest=None)
    row = refresh_one(market.public.experience_id)
    assert (row.value, row.components) == (None, [])
    assert Experience.objects.get(pk=row.pk).quality is None


def test_a_broker_that_is_down_loses_nothing(market: Market, django_capture_on_commit_callbacks: Any) -> None:
    """The row asks; the message is only a nudge."""
    with django_capture_on_commit_callbacks(execute=False) as callbacks, transaction.atomic():
        ask_for_score(market.public.experience_id)
    assert len(callbacks) == 1
    assert refresh_quality() == 2
