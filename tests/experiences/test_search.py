"""Found by words in any script, by topic, and by what holds on the asker's machine; the best proven first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.actors import ANONYMOUS, Actor
from accounts.models import Organization
from experiences.models import Verification, Version
from experiences.search.find import Question, find
from experiences.selectors import verification_status, verification_statuses
from experiences.services.attest import attest
from experiences.services.yank import yank
from tests import factories
from tests.experiences.conftest import concluded, open_row, publish
from tests.packages import SKILL


@pytest.fixture(autouse=True)
def _no_messages(sent: list[Any]) -> None:
    """Nobody needs to be woken here."""


def found(actor: Actor = ANONYMOUS, **query: Any) -> list[str]:
    return [hit.version.experience.name for hit in find(actor, Question(**query)).hits]


@pytest.fixture
def shelf(acme: Organization) -> dict[str, Version]:
    rotate = publish(
        acme,
        name="rotate-certificate",
        title="Rotate an nginx certificate",
        topics=["tls", "nginx"],
        conditions={"os.family": "linux", "tool.openssl": ">=1.1.1,<4"},
    )
    japanese = publish(
        acme,
        name="sabaa-koushin",
        title="サーバー証明書を更新する",
        summary="鍵も作り直します",
        topics=["tls"],
        conditions={"os.id": ["debian", "ubuntu"], "locale.language": {"not": ["tr"]}},
    )
    backup = publish(
        acme,
        name="backup-sqlite",
        title="Back up a database",
        topics=["sqlite"],
        skill=SKILL.format(name="backup-sqlite") + "\nCertificates are not touched.\n",
        conditions={},
    )
    return {"rotate": rotate, "japanese": japanese, "backup": backup}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("certificate", ["rotate-certificate", "backup-sqlite"]),
        ("ROTATING certificates", ["rotate-certificate"]),
        ("nginx -certificate", []),
        ('"nginx certificate"', ["rotate-certificate"]),
        ("証明書", ["sabaa-koushin"]),
        ("証明書 更新", ["sabaa-koushin"]),
        ("鍵", ["sabaa-koushin"]),
        ("ｻｰﾊﾞｰ", ["sabaa-koushin"]),
        ("明証", []),
        ("nothing-like-this", []),
        ("'; DROP TABLE experiences_version; --", []),
        ("a & | ! ( ) : * <->", []),
        ("\0", ["backup-sqlite", "rotate-certificate", "sabaa-koushin"]),
    ],
)
def test_words_find_titles_before_texts(shelf: dict[str, Version], words: str, names: list[str]) -> None:
    result = found(words=words)
    assert (sorted(result) if "\0" in words else result) == names


def test_topics_must_all_be_there(shelf: dict[str, Version]) -> None:
    assert sorted(found(topics=["tls"])) == ["rotate-certificate", "sabaa-koushin"]
    assert found(topics=["tls", "nginx"]) == ["rotate-certificate"]
    assert found(topics=["tls"], words="sqlite") == []


FACTS = {"os.family": "linux", "os.id": "debian", "tool.openssl": "3.0.15", "locale.language": "en"}


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (FACTS, ["backup-sqlite", "rotate-certificate", "sabaa-koushin"]),
        ({**FACTS, "tool.openssl": "1.0.2"}, ["backup-sqlite", "sabaa-koushin"]),
        ({**FACTS, "locale.language": "tr"}, ["backup-sqlite", "rotate-certificate"]),
        ({**FACTS, "os.id": "alpine"}, ["backup-sqlite", "rotate-certificate"]),
        ({}, ["backup-sqlite"]),
        ({"unheard.of": [1, None, {}]}, ["backup-sqlite"]),
    ],
)
def test_only_what_holds_with_the_facts_fits(
    shelf: dict[str, Version], facts: dict[str, Any], names: list[str]
) -> None:
    assert sorted(found(facts=facts, fit="fits")) == names


def test_without_fits_everything_comes_with_its_reasons(shelf: dict[str, Version]) -> None:
    hits = find(ANONYMOUS, Question(facts={**FACTS, "tool.openssl": "1.0.2"})).hits
    reasons = {
        hit.version.experience.name: [
            (finding.condition.text(), finding.status, finding.found) for finding in hit.fit.findings
        ]
        for hit in hits
        if hit.fit is not None
    }
    assert reasons["rotate-certificate"] == [
        ("os.family = linux", "holds", "linux"),
        ("tool.openssl >=1.1.1,<4", "fails", "1.0.2"),
    ]
    assert reasons["backup-sqlite"] == []
    assert [hit.fit for hit in find(ANONYMOUS, Question()).hits] == [None] * 3


def test_only_the_latest_version_that_was_not_yanked_is_found(acme: Organization) -> None:
    publish(acme, title="First greeting")
    second = publish(acme, version="2.0.0", title="Second greeting")
    assert found(words="first") == []
    assert found(words="second") == ["write-greeting"]
    yank(actor=factories.owner_actor(acme), version=second, reason="wrong")
    assert found(words="first") == ["write-greeting"]
    assert found(words="second") == []


def test_what_is_not_open_to_the_asker_is_not_found(acme: Organization) -> None:
    from guardian.shortcuts import assign_perm

    version = publish(acme, visibility="organization")
    globex = factories.organization("globex")
    member, stranger = factories.owner_actor(acme), factories.owner_actor(globex)
    assert (found(member), found(stranger), found(ANONYMOUS)) == (["write-greeting"], [], [])
    assign_perm("experiences.replay_experience", globex.group, version.experience)
    assert found(stranger) == ["write-greeting"]


def test_the_best_proven_comes_first_among_equals(acme: Organization) -> None:
    names = ["never", "failing", "verified", "aged"]
    versions = {name: publish(acme, name=name, title="Renew a thing") for name in names}
    concluded(versions["failing"], "failed")
    for name in ("verified", "aged"):
        attest(verification_id=str(concluded(versions[name]).pk))
    Version.objects.filter(pk=versions["aged"].pk).update(proven_at=timezone.now() - timedelta(days=40))
    assert found(words="renew things") == ["verified", "aged", "never", "failing"]
    assert found() == ["verified", "aged", "never", "failing"]
    attest(verification_id=str(concluded(versions["failing"]).pk))
    attest(verification_id=str(concluded(versions["failing"]).pk))
    assert verification_status(versions["failing"])["status"] == "verified"
    assert found(words="renew things") == ["verified", "failing", "aged", "never"]


def test_pages_do_not_overlap_and_do_not_move(acme: Organization) -> None:
    for number in range(7):
        publish(acme, name=f"number-{number}", title="Renew a thing")
    pages = [found(words="renew", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in page] == found(words="renew")
    assert len({name for page in pages for name in page}) == 7


# --- what is kept on the version for searching


def standing(version: Version) -> tuple[str, Any]:
    version.refresh_from_db()
    return version.standing, version.proven_at


def test_a_versions_standing_follows_its_last_verdicts(acme: Organization) -> None:
    version = publish(acme)
    assert standing(version) == ("", None)
    row = concluded(version)
    assert standing(version) == ("", None)
    attest(verification_id=str(row.pk))
    assert standing(version) == ("proven", row.finished_at)
    concluded(version, "failed")
    assert standing(version) == ("doubted", None)
    concluded(version)
    assert standing(version) == ("doubted", None)
    last = concluded(version)
    attest(verification_id=str(last.pk))
    assert standing(version) == ("proven", last.finished_at)


@pytest.mark.django_db(transaction=True)
def test_two_environments_concluded_at_once_both_count() -> None:
    from experiences.services.claim import claim
    from experiences.services.conclude import conclude
    from tests.experiences.conftest import at_once, seen

    scenarios = [{"name": "greets", "environments": ["debian-12", "debian-12-web"], "parameters": {"who": "Keiko"}}]
    version = publish(factories.organization("acme"), scenarios=scenarios)
    rows = [claim(environments=[name]) for name in ("debian-12", "debian-12-web")]
    assert rows[0] is not None
    assert rows[1] is not None
    good, bad = rows[0], rows[1]
    results = at_once(
        lambda: conclude(
            good,
            seen({"greets": "passed"}),
        ),
        lambda: conclude(bad, seen({"greets": "failed"})),
    )
    assert results == [True, True]
    assert standing(version) == ("doubted", None)
    results = at_once(*[lambda row=row: attest(verification_id=str(row.pk)) for row in (good, bad)])
    assert not [result for result in results if isinstance(result, Exception)]
    assert standing(version) == ("doubted", None)


@pytest.mark.django_db(transaction=True)
def test_a_conclusion_and_a_request_at_once_do_not_wait_in_a_circle() -> None:
    from experiences.services.claim import claim
    from experiences.services.conclude import conclude
    from experiences.services.enqueue_verification import enqueue
    from tests.experiences.conftest import at_once, seen

    version = publish(factories.organization("acme"))
    actor = factories.owner_actor(version.experience.organization)
    for _number in range(5):
        row = claim(environments=["debian-12"]) if open_row(version) else None
        assert row is not None
        Verification.objects.update(created_at="2026-01-01T00:00:00Z")
        results = at_once(
            lambda row=row: conclude(row, seen({"greets": "passed", "refuses another family": "passed"})),
            lambda: enqueue(version=version, environment_name="debian-12", trigger="request", actor=actor),
        )
        assert not [result for result in results if isinstance(result, Exception)], results


# --- the badge from rows


def test_a_version_is_verified_only_while_a_signed_pass_is_young(acme: Organization, settings: Any) -> None:
    version = publish(acme)
    assert verification_status(version) == {"status": "pending", "environments": {}}
    row = concluded(version)
    assert verification_status(version)["status"] == "pending"
    attest(verification_id=str(row.pk))
    status = verification_status(version)
    assert status["status"] == "verified"
    details = status["environments"]["debian-12"]
    assert (details["verdict"], details["environment"], details["isolation"]) == ("passed", "debian-12", "namespace")
    assert details["finished_at"] == row.finished_at
    assert details["attested_at"] is not None

    days = timedelta(days=settings.KEIKEN.reverify_days)
    Verification.objects.update(finished_at=timezone.now() - days + timedelta(minutes=1))
    assert verification_status(version)["status"] == "verified"
    Verification.objects.update(finished_at=timezone.now() - days)
    assert verification_status(version)["status"] == "unverified"
    open_row(version)
    assert verification_status(version)["status"] == "pending"


def test_a_later_failure_takes_the_badge_away_and_a_later_pass_gives_it_back(acme: Organization) -> None:
    version = publish(acme)
    for verdict, status in (("passed", "verified"), ("failed", "failing"), ("failed", "failing")):
        attest(verification_id=str(concluded(version, verdict).pk))
        assert verification_status(version)["status"] == status
    for status in ("failing", "verified"):  # the first pass after a failure is flaky
        attest(verification_id=str(concluded(version).pk))
        assert verification_status(version)["status"] == status


def test_many_badges_cost_two_queries(acme: Organization, django_assert_num_queries: Any) -> None:
    versions = [publish(acme, name=f"number-{number}") for number in range(5)]
    concluded(versions[0])
    with django_assert_num_queries(2):
        statuses = verification_statuses(versions)
    assert len(statuses) == 5
