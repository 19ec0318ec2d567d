"""Conditions that are tried, and the new version a publisher makes of what was found."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiences.models import Environment, FrontierRun, Verification, Version
from experiences.services.explore_frontier import explore_next
from keiken.conditions import parse
from keiken.frontier.judge import judged
from keiken.frontier.record import Flip, Frontier, Run
from marketplace.models import ReplayReport
from tests.marketplace.conftest import Market, audit, publish, report_of

URL = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/frontier"
PAGE = "/experiences/acme/write-greeting/1.0.0"
HERE = ["debian-12"]


def found(version: Version, *runs: Run) -> FrontierRun:
    """A finished exploration that saw these runs."""
    declared = version.manifest["conditions"]
    frontier = judged(parse(declared), declared, runs, [])
    return FrontierRun.objects.create(
        version=version,
        environment_name="debian-12",
        state="done",
        environment=Environment.objects.get_or_create(name="debian-12", digest="sha256:" + "e" * 64)[0],
        record=frontier.model_dump(mode="json"),
        finished_at=timezone.now(),
    )


def run(bare: Any, *flips: Flip, **facts: Any) -> Run:
    named = {name.replace("_", ".", 1): value for name, value in facts.items()}
    return Run(
        flips=list(flips),
        environment="debian-12",
        environment_digest="",
        outcome=bare,
        bare=bare,
        reason="draft.txt says secret-of-the-house",
        facts={"os.family": "linux", **named},
    )


JAPANESE = Flip(axis="locale", value="ja_JP.utf8")
DEPENDS = (run("passed", locale_language="c"), run("failed", JAPANESE, locale_language="ja"))


def reported(market: Market, version: Version, outcome: str, **facts: Any) -> None:
    named = {name.replace("_", ".", 1): value for name, value in facts.items()}
    row = ReplayReport(
        replay_id=report_of(version)["replay_id"],
        organization=market.globex,
        actor_kind="agent",
        actor_name="a",
        version=version,
        outcome=outcome,
        facts={"os.family": "linux", **named},
        report={},
    )
    row.save()


def versions(market: Market) -> list[str]:
    return sorted(market.public.experience.versions.values_list("version", flat=True))


# --- exploring


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_exploration_is_asked_for_claimed_and_shown(market: Market) -> None:
    Verification.objects.update(state="done", verdict="passed", finished_at=timezone.now())
    headers = market.key(market.acme, "read", "publish").headers
    answer = Client().post(URL, headers=headers)
    assert answer.status_code == 202
    assert [one["state"] for one in answer.json()["explorations"]] == ["queued"]
    assert Client().post(URL, headers=headers).status_code == 202, "asked for twice it is there once"
    assert FrontierRun.objects.count() == 1
    row = explore_next(environment_names=HERE, worker="w 1")
    assert row is not None
    assert (row.state, row.attempts, row.lease_token) == ("done", 1, None)
    [condition] = row.frontier.conditions
    assert (condition.key, condition.verdict) == ("os.family", "supported")
    assert {run.outcome for run in row.frontier.runs} == {"passed"}
    assert explore_next(environment_names=HERE) is None
    again = Client().post(URL, headers=headers)
    assert (again.status_code, again.json()["code"]) == (429, "explored_recently")
    page = Client().get(PAGE).content.decode()
    assert f'href="{PAGE}/frontier"' in page
    assert "os.family = linux" in page
    assert "supported" in page
    assert len(audit("frontier.conclude")) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_gives_way_to_whoever_waits_for_a_verdict(market: Market) -> None:
    assert Verification.objects.filter(state="queued").exists()
    row = FrontierRun.objects.create(version=market.public, environment_name="debian-12")
    taken = explore_next(environment_names=HERE)
    assert taken is not None
    assert (taken.pk, taken.state, taken.attempts, taken.record) == (row.pk, "queued", 0, None)
    assert taken.not_before > timezone.now()


def test_no_worker_takes_what_it_has_no_environment_for(market: Market) -> None:
    FrontierRun.objects.create(version=market.public, environment_name="debian-12")
    assert explore_next(environment_names=["debian-12-web"]) is None
    assert explore_next(environment_names=[]) is None


def test_only_the_publisher_may_ask(market: Market) -> None:
    for headers, status in (
        (market.key(market.globex, "read", "publish").headers, 403),
        (market.key(market.acme, "read").headers, 403),
        ({}, 401),
    ):
        assert Client().post(URL, headers=headers).status_code == status
        assert (
            Client().post(f"{URL}/accept", {"key": "x"}, content_type="application/json", headers=headers).status_code
            == status
        )
    assert FrontierRun.objects.count() == 0


# --- what is shown to whom


def test_a_stranger_learns_the_verdict_and_not_what_a_step_printed(market: Market) -> None:
    found(market.public, *DEPENDS)
    stranger, own = Client().get(URL), Client().get(URL, headers=market.key(market.acme, "read").headers)
    assert "secret-of-the-house" not in stranger.content.decode()
    assert "secret-of-the-house" not in Client().get(PAGE).content.decode()
    assert "secret-of-the-house" not in Client().get(f"{PAGE}/frontier").content.decode()
    assert "secret-of-the-house" in market.signed_in(market.acme).get(f"{PAGE}/frontier").content.decode()
    assert "secret-of-the-house" in own.content.decode()
    assert stranger.json()["proposals"] == []
    assert [one["axis"] for one in stranger.json()["explorations"][0]["dependences"]] == ["locale"]
    assert [(one["key"], one["value"]) for one in own.json()["proposals"]] == [("locale.language", "c")]


# --- taking a proposal over


def test_the_publisher_accepts_a_narrower_condition_as_a_new_version(market: Market) -> None:
    found(market.public, *DEPENDS)
    client = market.signed_in(market.acme)
    assert "Let the condition be: locale.language = c." in client.get(f"{PAGE}/frontier").content.decode()
    answer = client.post(f"{PAGE}/frontier/accept", {"key": "locale.language"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/experiences/acme/write-greeting/1.0.1")
    made = Version.objects.get(experience=market.public.experience, version="1.0.1")
    assert made.manifest["conditions"] == {"os.family": "linux", "locale.language": "c"}
    same = {"version": "1.0.0", "conditions": market.public.manifest["conditions"]}
    assert {**made.manifest, **same} == market.public.manifest
    assert made.skill == market.public.skill
    assert list(made.verifications.values_list("state", "trigger")) == [("queued", "publish")]
    assert client.post(f"{PAGE}/frontier/accept", {"key": "locale.language"}).status_code == 409, "no longer the latest"
    assert versions(market) == ["1.0.0", "1.0.1"]


def test_failures_from_the_field_narrow_and_passes_of_elsewhere_widen(market: Market) -> None:
    version = publish(market.acme, version="1.1.0", conditions={"os.family": "linux", "tool.git": ">=2.30"})
    reported(market, version, "succeeded", tool_git="2.39")
    reported(market, version, "failed", tool_git="2.31")
    reported(market, version, "refused", tool_git="1.0")
    headers = market.key(market.acme, "read", "publish").headers
    url = URL.replace("1.0.0", "1.1.0")
    [proposal] = Client().get(url, headers=headers).json()["proposals"]
    assert (proposal["direction"], proposal["value"]) == ("narrower", ">=2.39")
    assert proposal["evidence"] == ["reported from the field: tool.git = 2.31: failed"]
    answer = Client().post(f"{url}/accept", {"key": "tool.git"}, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["version"]) == (201, "1.1.1")

    narrow = publish(market.acme, version="1.2.0", conditions={"tool.git": ">=2.40"})
    found(narrow, run("passed", tool_git="2.39"))
    assert market.public.experience.versions.count() == 4
    url = URL.replace("1.0.0", "1.2.0")
    answer = Client().post(f"{url}/accept", {"key": "tool.git"}, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["version"]) == (201, "1.3.0")
    made = Version.objects.get(experience=market.public.experience, version="1.3.0")
    assert made.manifest["conditions"] == {"tool.git": ">=2.39"}


@pytest.mark.parametrize(
    ("path", "key", "code"),
    [
        ("1.0.0", "locale.language", "not_latest"),
        ("1.0.1", "locale.language", "proposal_gone"),
        ("1.0.1", "", "proposal_gone"),
    ],
)
def test_a_refused_acceptance_changes_nothing(market: Market, path: str, key: str, code: str) -> None:
    found(market.public, *DEPENDS)
    publish(market.acme, version="1.0.1")
    headers = market.key(market.acme, "read", "publish").headers
    url = f"{URL.replace('1.0.0', path)}/accept"
    answer = Client().post(url, {"key": key or "none.such"}, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert versions(market) == ["1.0.0", "1.0.1"]


def test_nothing_seen_proposes_nothing(market: Market) -> None:
    assert Frontier().proposals == []
    answer = Client().get(URL, headers=market.key(market.acme, "read").headers).json()
    assert (answer["explorations"], answer["proposals"]) == ([], [])
    assert "Have the conditions tried" in market.signed_in(market.acme).get(f"{PAGE}/frontier").content.decode()
    assert "Where the conditions end" not in Client().get(PAGE).content.decode()
