"""When versions are proven again: each trigger, the strictest of all that applies, and what a summary says of it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.refusals import Forbidden, Invalid, TooManyRequests
from accounts.models import AuditEntry, Organization
from experiences.domain.reverification import Rules, strictest
from experiences.models import AppliedPolicy, ReverificationPolicy, Verification, Version, Worker
from experiences.reverification import rules_for, site_rules
from experiences.selectors import verification_status
from experiences.services.announce import Holding, announce
from experiences.services.attest import attest
from experiences.services.claim import claim
from experiences.services.conclude import conclude
from experiences.services.request_verification import request_verification
from experiences.services.reverify_by_age import reverify_by_age
from experiences.services.reverify_by_environment import reverify_changed_environments, try_new_environments
from experiences.services.set_reverification import set_reverification
from keiken.trust import PublicKey, verify
from keiken.trust.log import canonical
from tests import factories
from tests.experiences.conftest import DIGEST, at_once, concluded, publish, seen

OTHER = "sha256:" + "f" * 64
NONE: dict[str, Any] = dict.fromkeys(
    ("max_age_days", "on_new_environment", "on_environment_change", "diverging_reports", "request_minutes")
)


def ask(organization: Organization, **wish: Any) -> ReverificationPolicy | None:
    return set_reverification(actor=factories.owner_actor(organization), organization=organization, **wish)


def holding(name: str, **environments: str) -> None:
    announce(
        name=name, holding=Holding(environments={k.replace("_", "-"): v for k, v in environments.items()}), slots=1
    )


def waiting() -> list[tuple[str, str, bool]]:
    rows = Verification.objects.exclude(state="done").order_by("environment_name")
    return list(rows.values_list("environment_name", "trigger", "is_trial"))


# --- which rules apply

wishes = st.fixed_dictionaries(
    {
        "max_age_days": st.none() | st.integers(1, 30),
        "on_new_environment": st.none() | st.booleans(),
        "on_environment_change": st.none() | st.booleans(),
        "diverging_reports": st.none() | st.integers(1, 5),
        "request_minutes": st.none() | st.integers(10, 99),
    }
)


@given(st.lists(wishes, max_size=4))
def test_nobody_gets_less_than_any_rule_asks_for(asked: list[dict[str, Any]]) -> None:
    site = Rules(30, False, True, 5, 10)
    found = strictest(site, asked)
    for wish in asked:
        assert wish["max_age_days"] is None or found.max_age_days <= wish["max_age_days"]
        assert wish["diverging_reports"] is None or found.diverging_reports <= wish["diverging_reports"]
        assert wish["request_minutes"] is None or found.request_minutes >= wish["request_minutes"]
        assert found.on_new_environment or not wish["on_new_environment"]
    assert (found.on_environment_change, strictest(site, [])) == (True, site)
    assert found == strictest(site, reversed(asked))


def test_the_strictest_of_the_site_the_organization_and_its_topics_applies(acme: Organization) -> None:
    version = publish(acme, topics=["tls", "nginx"])
    assert rules_for(version.experience) == site_rules()
    ask(acme, max_age_days=20)
    ask(acme, topic="tls", max_age_days=7, diverging_reports=1)
    ask(acme, topic="sql", max_age_days=2, on_new_environment=True)
    ask(factories.organization("globex"), max_age_days=1)
    assert rules_for(version.experience) == Rules(7, False, True, 1, 10)


# --- asking for it


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"max_age_days": 31}, "reverification_out_of_bounds"),
        ({"max_age_days": 0}, "reverification_out_of_bounds"),
        ({"diverging_reports": 3}, "reverification_out_of_bounds"),
        ({"diverging_reports": 0}, "reverification_out_of_bounds"),
        ({"request_minutes": 9}, "reverification_out_of_bounds"),
        ({"request_minutes": 10**9}, "reverification_out_of_bounds"),
        ({"topic": "No Topic", "max_age_days": 3}, "reverification_topic_invalid"),
        ({"topic": "x" * 65, "max_age_days": 3}, "reverification_topic_invalid"),
    ],
)
def test_what_the_operator_does_not_allow_changes_nothing(acme: Organization, wish: dict[str, Any], code: str) -> None:
    ask(acme, max_age_days=9)
    before = list(ReverificationPolicy.objects.values()), AuditEntry.objects.count()
    with pytest.raises(Invalid) as refused:
        ask(acme, **wish)
    assert refused.value.code == code
    assert (list(ReverificationPolicy.objects.values()), AuditEntry.objects.count()) == before


def test_only_owners_of_the_organization_ask_for_it(acme: Organization) -> None:
    stranger = factories.owner_actor(factories.organization("globex"))
    with pytest.raises(Forbidden) as refused:
        set_reverification(actor=stranger, organization=acme, max_age_days=3)
    assert refused.value.code == "wrong_organization"
    key = factories.agent_key(acme)
    address = "/api/v1/organizations/acme/reverification"
    answer = Client().put(address, {"max_age_days": 3}, content_type="application/json", headers=key.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    elsewhere = factories.agent_key(factories.organization("initech"))
    assert Client().get(address, headers=elsewhere.headers).status_code == 404
    assert not ReverificationPolicy.objects.exists()


def test_each_change_is_in_the_trail_once_and_nothing_asked_for_is_no_policy(acme: Organization) -> None:
    ask(acme, topic="tls", max_age_days=7)
    ask(acme, topic="tls", max_age_days=7, on_new_environment=False)
    ask(acme, topic="tls", on_new_environment=True)
    assert ask(acme, topic="tls") is None
    assert not ReverificationPolicy.objects.exists()
    told = [entry.details for entry in AuditEntry.objects.filter(action="reverification.set").order_by("pk")]
    assert told == [
        {"topic": "tls", "from": NONE, "to": {**NONE, "max_age_days": 7}},
        {"topic": "tls", "from": {**NONE, "max_age_days": 7}, "to": {**NONE, "on_new_environment": True}},
        {"topic": "tls", "from": {**NONE, "on_new_environment": True}, "to": NONE},
    ]


def test_two_owners_at_once_leave_one_policy(transactional_db: None) -> None:
    acme = factories.organization("acme")
    results = at_once(*(lambda days=days: ask(acme, max_age_days=days) for days in range(2, 8)))
    assert all(isinstance(result, ReverificationPolicy) for result in results)
    entries = AuditEntry.objects.filter(action="reverification.set").order_by("pk")
    assert entries.count() == 6
    # Each one tells what the one before left.
    for before, after in pairwise(entries):
        assert after.details["from"] == before.details["to"]
    assert ReverificationPolicy.objects.get().max_age_days == entries[5].details["to"]["max_age_days"]


def test_the_api_tells_rules_bounds_and_policies(acme: Organization) -> None:
    owner = factories.owner_of(acme)
    from accounts.services.issue_key import issue_key

    _row, secret = issue_key(
        actor=factories.owner_actor(acme), organization=acme, agent=None, person=owner, name="mine",
        scopes=["read", "admin"],
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {secret}"}
    address = "/api/v1/organizations/acme/reverification"
    wish = {"topic": "tls", "max_age_days": 7, "on_new_environment": True}
    answer = Client().put(address, wish, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {
        "site": {
            "max_age_days": 30, "on_new_environment": False, "on_environment_change": True,
            "diverging_reports": 2, "request_minutes": 10,
        },
        "bounds": {
            "max_age_days": {"least": 1, "most": 30},
            "diverging_reports": {"least": 1, "most": 2},
            "request_minutes": {"least": 10, "most": 10080},
        },
        "policies": [{**NONE, **wish}],
    }  # fmt: skip
    assert Client().get(address, headers=headers).json() == answer.json()
    version = publish(acme, topics=["tls"])
    shown = Client().get(f"/api/v1/experiences/{version.experience}/versions/1.0.0", headers=headers).json()
    assert shown["reverification"]["max_age_days"] == 7


# --- by age


def test_a_stricter_age_renews_earlier_also_what_was_proven_before(acme: Organization) -> None:
    version, other = publish(acme, topics=["tls"]), publish(acme, name="other", topics=["sql"])
    for row in (concluded(version), concluded(other)):
        Verification.objects.filter(pk=row.pk).update(finished_at=timezone.now() - timedelta(days=6))
    assert reverify_by_age() == 0
    ask(acme, topic="tls", max_age_days=8)
    assert reverify_by_age() == 0
    ask(acme, topic="tls", max_age_days=7)
    assert reverify_by_age() == 1
    assert Verification.objects.get(state="queued").version == version


def test_a_verdict_counts_as_long_as_the_policy_of_its_day_says(acme: Organization) -> None:
    version = publish(acme)
    ask(acme, max_age_days=5)
    row = concluded(version)
    attestation = attest(verification_id=str(row.pk))
    assert attestation is not None
    row.refresh_from_db()
    ends = row.finished_at + timedelta(days=5)
    assert row.valid_days == 5
    assert verification_status(version)["environments"]["debian-12"]["valid_until"] == ends
    assert verification_status(version)["status"] == "verified"
    Verification.objects.filter(pk=row.pk).update(finished_at=Now() - timedelta(days=5, seconds=1))
    assert verification_status(version)["status"] == "unverified"


# --- by environment


def test_another_root_file_system_under_the_name_asks_for_a_new_proof(acme: Organization) -> None:
    version = publish(acme)
    concluded(version)
    holding("north", debian_12=DIGEST)
    assert reverify_changed_environments() == 0
    holding("south", debian_12=OTHER)
    # While it is rolled out, a verdict in either counts.
    assert reverify_changed_environments() == 0
    holding("north", debian_12=OTHER)
    assert reverify_changed_environments() == 1
    assert reverify_changed_environments() == 0
    assert waiting() == [("debian-12", "environment", False)]
    row = claim(environments=["debian-12"])
    assert row is not None
    names = [item["name"] for item in version.manifest["scenarios"]]
    assert conclude(row, seen(dict.fromkeys(names, "passed"), digest=OTHER))
    assert reverify_changed_environments() == 0


def test_a_site_may_leave_it_to_organizations(acme: Organization, settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"reverify_on_environment_change": False})
    concluded(publish(acme, topics=["tls"]))
    concluded(publish(acme, name="other", topics=["sql"]))
    holding("north", debian_12=OTHER)
    assert reverify_changed_environments() == 0
    ask(acme, topic="sql", on_environment_change=True)
    assert reverify_changed_environments() == 1
    assert Verification.objects.get(state="queued").version.experience.name == "other"


def test_silent_workers_hold_nothing(acme: Organization) -> None:
    concluded(publish(acme))
    holding("north", debian_12=OTHER)
    Worker.objects.update(seen_at=Now() - timedelta(minutes=1))
    assert reverify_changed_environments() == 0


def trial_of(version: Version, verdict: str) -> Verification:
    row = claim(environments=["debian-13"])
    assert row is not None
    names = [item["name"] for item in version.manifest["scenarios"]]
    assert conclude(row, seen(dict.fromkeys(names, verdict), digest=OTHER))
    attest(verification_id=str(row.pk))
    row.refresh_from_db()
    return row


def test_a_new_environment_is_tried_where_it_is_asked_for_and_decides_nothing(acme: Organization) -> None:
    version = publish(acme)
    publish(factories.organization("globex"))
    attest(verification_id=str(concluded(version).pk))
    holding("north", debian_12=DIGEST, debian_13=OTHER)
    assert try_new_environments() == 0
    ask(acme, on_new_environment=True)
    assert try_new_environments() == 1
    assert try_new_environments() == 0
    assert ("debian-13", "new_environment", True) in waiting()
    assert verification_status(version)["status"] == "verified"
    assert trial_of(version, "failed").verdict == "failed"
    assert verification_status(version)["status"] == "verified"
    version.refresh_from_db()
    assert version.standing == "proven"
    summary = version.summaries.order_by("-created_at").first()
    assert summary is not None
    assert summary.is_passing
    assert try_new_environments() == 0


def test_every_scenario_runs_in_a_trial(transactional_db: None, sent: list[Any]) -> None:
    from experiences.services.verify import verify_next

    version = publish(factories.organization("acme"), scenarios=[{"name": "greets", "environments": ["debian-13"]}])
    Verification.objects.update(environment_name="debian-12", is_trial=True, trigger="new_environment")
    row = verify_next(environment_names=["debian-12"])
    assert row is not None
    assert (row.verdict, list(row.results.values_list("scenario", "verdict"))) == ("passed", [("greets", "passed")])
    assert verification_status(version)["environments"] == {}


def test_trials_are_renewed_only_while_they_are_asked_for(acme: Organization) -> None:
    version = publish(acme)
    concluded(version)
    holding("north", debian_12=DIGEST, debian_13=DIGEST)
    ask(acme, on_new_environment=True)
    assert try_new_environments() == 1
    row = trial_of(version, "passed")
    Verification.objects.filter(pk=row.pk).update(finished_at=Now() - timedelta(days=29))
    ask(acme)
    assert reverify_by_age() == 0
    ask(acme, on_new_environment=True)
    assert reverify_by_age() == 1
    assert waiting() == [("debian-13", "age", True)]


# --- on request


def test_an_organization_may_slow_its_own_requests_down(acme: Organization) -> None:
    version = publish(acme)
    concluded(version)
    ask(acme, request_minutes=60)
    Verification.objects.update(created_at=Now() - timedelta(minutes=30))
    with pytest.raises(TooManyRequests) as refused:
        request_verification(actor=factories.owner_actor(acme), version=version)
    assert "within the last 60 minutes" in refused.value.message
    assert waiting() == []
    ask(acme)
    assert len(request_verification(actor=factories.owner_actor(acme), version=version)) == 1


# --- what a summary says


def test_a_summary_names_the_rules_it_was_made_by_and_they_can_be_read(acme: Organization) -> None:
    from experiences.models import PublicKey as KeyRow

    version = publish(acme)
    for days in (9, 5):
        ask(acme, max_age_days=days)
        attest(verification_id=str(concluded(version).pk))
        summary = version.summaries.order_by("-created_at").first()
        assert summary is not None
        statement = verify(summary.envelope, [PublicKey.from_base64(KeyRow.objects.get().public_key)])
        policy = statement["predicate"]["policy"]
        document = Client().get(urlsplit(policy["uri"]).path).json()
        assert hashlib.sha256(canonical(document)).hexdigest() == policy["digest"]["sha256"]
        assert (document["valid_days"], document["reverification"]["max_age_days"]) == (days, days)
    assert AppliedPolicy.objects.count() == 2
    assert Client().get("/api/v1/verification-policies/sha256:0").status_code == 404
    with pytest.raises(DatabaseError), transaction.atomic():
        AppliedPolicy.objects.update(document={})
    assert (
        json.loads(json.dumps(AppliedPolicy.objects.get(digest=f"sha256:{policy['digest']['sha256']}").document))
        == document
    )
