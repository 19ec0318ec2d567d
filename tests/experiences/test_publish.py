"""Publishing: judged before anything is written, the same answer for the same bytes, refusals that leave nothing."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.domain.refusals import Conflict, Forbidden, Invalid, NotFound, Unavailable
from accounts.models import AuditEntry, Organization
from experiences.models import Condition, Experience, Verification, Version
from experiences.services.publish import publish as publish_archive
from keiken.package import digest
from tests import factories
from tests.experiences.conftest import kept, publish
from tests.packages import MANIFEST, package_bytes


def send(organization: Organization, archive: bytes, key: factories.Key | None = None, query: str = "") -> Any:
    key = key or factories.agent_key(organization)
    return Client().post(
        f"/api/v1/organizations/{organization.slug}/versions{query}",
        data=archive,
        content_type="application/gzip",
        headers=key.headers,
    )


def test_a_published_version_is_stored_listed_queued_and_audited(acme: Organization, store: Path) -> None:
    archive = package_bytes(summary="Greets.", topics=["text", "hello"])
    answer = send(acme, archive)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["organization"], body["name"], body["version"]) == ("acme", "write-greeting", "1.0.0")
    assert (body["digest"], body["size"]) == (digest(archive), len(archive))
    assert body["manifest"]["title"] == "Write a greeting"
    assert body["skill"]["description"] == "Writes a greeting to a file and checks it."
    (row,) = body["verifications"]
    assert (row["environment"], row["state"], row["verdict"], row["trigger"]) == ("debian-12", "queued", "", "publish")

    experience = Experience.objects.get()
    assert (experience.title, experience.summary, experience.topics) == (
        "Write a greeting",
        "Greets.",
        ["text", "hello"],
    )
    assert (experience.visibility, str(experience.latest)) == ("public", "acme/write-greeting@1.0.0")
    text = digest(archive).removeprefix("sha256:")
    path = store / text[:2] / text[2:4] / text
    assert path.read_bytes() == archive
    assert path.stat().st_mode & 0o777 == 0o640
    entry = AuditEntry.objects.get(action="experience.publish")
    assert (entry.target, entry.details) == (
        "acme/write-greeting@1.0.0",
        {"digest": digest(archive), "visibility": "public"},
    )


def test_the_same_bytes_again_are_the_same_version(acme: Organization, store: Path) -> None:
    archive = package_bytes()
    first = send(acme, archive)
    before = kept(store)
    again = send(acme, archive, factories.agent_key(acme))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    after = kept(store)
    assert after[1] == before[1]
    assert {**after[0], "AuditEntry": 0} == {**before[0], "AuditEntry": 0}
    assert AuditEntry.objects.filter(action="experience.publish").count() == 1


def test_a_version_never_gets_other_bytes(acme: Organization, store: Path) -> None:
    publish(acme)
    key = factories.agent_key(acme)
    before = kept(store)
    answer = send(acme, package_bytes(title="Write another greeting"), key)
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "version_exists"
    assert body["detail"].startswith("write-greeting@1.0.0 was already published with other bytes")
    assert body["digest"] == Version.objects.get().blob_id
    assert kept(store) == before


@pytest.mark.parametrize(
    ("published", "latest"),
    [
        (["1.0.0", "1.0.1"], "1.0.1"),
        (["1.10.0", "1.9.0"], "1.10.0"),
        (["2.0.0", "2.0.0-rc.1"], "2.0.0"),
        (["1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-alpha.1"], "1.0.0-alpha.10"),
        (["1.0.0+first", "1.0.0+second"], "1.0.0+second"),
    ],
)
def test_the_highest_version_is_the_latest_whenever_it_came(
    acme: Organization, published: list[str], latest: str
) -> None:
    for version in published:
        publish(acme, version=version, title=f"Greet {version}")
    experience = Experience.objects.get()
    assert experience.latest is not None
    assert (experience.latest.version, experience.title) == (latest, f"Greet {latest}")
    assert Version.objects.count() == len(published)


def test_every_environment_that_scenarios_name_is_queued_once(acme: Organization) -> None:
    scenarios = [
        {**MANIFEST["scenarios"][0], "environments": ["debian-12", "debian-12-web"]},
        {**MANIFEST["scenarios"][1], "environments": ["debian-12", "plan-9"]},
    ]
    publish(acme, scenarios=scenarios)
    rows = Verification.objects.order_by("environment_name").values_list("environment_name", "state", "priority")
    assert list(rows) == [("debian-12", "queued", 10), ("debian-12-web", "queued", 10), ("plan-9", "queued", 10)]


def test_equal_conditions_of_two_versions_are_one_row(acme: Organization) -> None:
    one = publish(acme, conditions={"os.family": "linux", "tool.openssl": ">=1.1.1,<4"})
    other = publish(acme, name="other", conditions={"tool.openssl": "<4, >=1.1.1", "os.id": ["ubuntu", "debian"]})
    assert Condition.objects.count() == 3
    assert len(one.condition_ids) == len(other.condition_ids) == 2
    assert len(set(one.condition_ids) & set(other.condition_ids)) == 1


# --- who may


def test_a_key_without_the_scope_is_told_so(acme: Organization, store: Path) -> None:
    key = factories.agent_key(acme, "read")
    before = kept(store)
    answer = send(acme, package_bytes(), key)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert kept(store) == before


def test_another_organization_reads_like_an_absent_one(acme: Organization, store: Path) -> None:
    globex = factories.organization("globex")
    key = factories.agent_key(globex)
    before = kept(store)
    foreign = send(acme, package_bytes(), key)
    absent = Client().post(
        "/api/v1/organizations/nobody/versions",
        data=package_bytes(),
        content_type="application/gzip",
        headers=key.headers,
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
    assert (absent.status_code, absent.json()["detail"]) == (404, foreign.json()["detail"])
    assert kept(store) == before


def test_a_stranger_must_sign_in(acme: Organization, store: Path) -> None:
    answer = Client().post("/api/v1/organizations/acme/versions", data=b"x", content_type="application/gzip")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")
    assert kept(store)[1] == []


def test_a_member_who_acts_for_another_organization_may_not(acme: Organization, store: Path) -> None:
    owner = factories.owner_of(acme)
    globex = factories.organization("globex", owner=owner)
    before = kept(store)
    with pytest.raises((Forbidden, NotFound)):
        publish_archive(actor=factories.owner_actor(globex), organization_slug="acme", archive=package_bytes())
    assert kept(store) == before


# --- who sees it


def test_a_later_version_keeps_an_experience_as_closed_as_it_was(acme: Organization) -> None:
    publish(acme, visibility="organization")
    publish(acme, version="1.1.0")
    assert Experience.objects.get().visibility == "organization"


def test_visibility_changes_when_asked_for_and_is_audited(acme: Organization) -> None:
    publish(acme, visibility="organization")
    published = publish_archive(
        actor=factories.owner_actor(acme), organization_slug="acme", archive=package_bytes(), visibility="public"
    )
    assert not published.created
    assert Experience.objects.get().visibility == "public"
    entry = AuditEntry.objects.get(action="experience.visibility")
    assert (entry.target, entry.details) == ("acme/write-greeting", {"from": "organization", "to": "public"})


def test_an_unknown_visibility_is_refused(acme: Organization, store: Path) -> None:
    key = factories.agent_key(acme)
    before = kept(store)
    answer = send(acme, package_bytes(), key, "?visibility=everybody")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    with pytest.raises(Invalid) as refused:
        publish_archive(
            actor=factories.owner_actor(acme), organization_slug="acme", archive=package_bytes(), visibility="all"
        )
    assert refused.value.code == "visibility_unknown"
    assert kept(store) == before


# --- trouble of ours


@pytest.mark.parametrize("where", ["unpacking", "storing"])
def test_a_full_disk_is_our_trouble_and_leaves_nothing(
    acme: Organization, store: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from experiences.services import publish as module

    def full(*_arguments: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "unpacking":
        monkeypatch.setattr(module, "unpack", full)
    else:
        monkeypatch.setattr("experiences.blobs.os.fsync", full)
    before = kept(store)
    with pytest.raises(Unavailable) as refused:
        publish(acme)
    assert (refused.value.status, refused.value.code) == (503, "storage_full")
    assert kept(store) == before


def test_a_broker_that_is_away_does_not_keep_anybody_from_publishing(
    acme: Organization, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    from celery import current_app
    from kombu.exceptions import OperationalError

    def away(*_arguments: object, **_options: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(current_app, "send_task", away)
    with django_capture_on_commit_callbacks(execute=True):
        version = publish(acme)
    assert Verification.objects.get().version_id == version.pk


def test_what_two_organizations_name_alike_are_two_experiences(acme: Organization) -> None:
    globex = factories.organization("globex")
    one, other = publish(acme), publish(globex)
    assert one.blob_id == other.blob_id
    assert {str(one), str(other)} == {"acme/write-greeting@1.0.0", "globex/write-greeting@1.0.0"}


def test_the_database_refuses_to_change_a_published_version(acme: Organization) -> None:
    from django.db import IntegrityError, transaction

    version = publish(acme)
    for change in ({"version": "9.9.9"}, {"manifest": {}}, {"skill": {}}, {"major": 9}):
        with pytest.raises(IntegrityError, match="a published version never changes"), transaction.atomic():
            Version.objects.filter(pk=version.pk).update(**change)
    with pytest.raises(IntegrityError, match="a published version never changes"), transaction.atomic():
        Version.objects.filter(pk=version.pk)._raw_delete("default")


def test_a_conflict_says_which_bytes_were_published(acme: Organization) -> None:
    version = publish(acme)
    with pytest.raises(Conflict) as refused:
        publish(acme, title="Other")
    assert refused.value.details == {"digest": version.blob_id}
