"""Two publishers, a publisher and the sweep, a publisher and a yank: at one moment, on real connections."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.domain.refusals import Conflict
from accounts.models import AuditEntry
from experiences.blobs import has_blob, store_blob
from experiences.models import Blob, Condition, Experience, Verification, Version
from experiences.services.publish import Published
from experiences.services.publish import publish as publish_archive
from experiences.services.sweep_blobs import sweep_blobs
from experiences.services.yank import yank
from keiken.package import digest
from tests import factories
from tests.experiences.conftest import at_once, publish
from tests.packages import package_bytes

pytestmark = pytest.mark.django_db(transaction=True)


def publisher(slug: str, archive: bytes) -> Any:
    from accounts.models import Organization

    actor = factories.owner_actor(Organization.objects.get(slug=slug))
    return lambda: publish_archive(actor=actor, organization_slug=slug, archive=archive)


def test_the_same_bytes_four_times_at_once_are_one_version(store: Path, sent: list[Any]) -> None:
    factories.organization("acme")
    archive = package_bytes()
    results = at_once(*[publisher("acme", archive)] * 4)
    assert [type(result) for result in results] == [Published] * 4
    assert sorted(result.created for result in results) == [False, False, False, True]
    assert len({result.version.pk for result in results}) == 1
    assert (Experience.objects.count(), Version.objects.count(), Verification.objects.count()) == (1, 1, 1)
    assert AuditEntry.objects.filter(action="experience.publish").count() == 1
    assert sent == [("verify", ()), ("deliver_webhooks", ())]


def test_of_different_bytes_at_once_one_wins_and_the_others_are_told(store: Path) -> None:
    factories.organization("acme")
    archives = [package_bytes(title=f"Write a greeting {number}") for number in range(4)]
    results = at_once(*[publisher("acme", archive) for archive in archives])
    won = [result for result in results if isinstance(result, Published)]
    lost = [result for result in results if isinstance(result, Conflict)]
    assert (len(won), len(lost)) == (1, 3)
    assert {refusal.code for refusal in lost} == {"version_exists"}
    assert {refusal.details["digest"] for refusal in lost} == {won[0].version.blob_id}
    assert Version.objects.get().blob_id == won[0].version.blob_id
    assert Experience.objects.get().title == won[0].version.manifest["title"]
    assert Verification.objects.count() == 1
    assert list(Blob.objects.values_list("pk", flat=True)) == [won[0].version.blob_id]


def test_different_versions_at_once_leave_the_highest_as_the_latest() -> None:
    factories.organization("acme")
    versions = ["1.0.0", "1.2.0", "1.1.0", "1.2.0-rc.1"]
    results = at_once(*[publisher("acme", package_bytes(version=version)) for version in versions])
    assert all(isinstance(result, Published) for result in results), results
    experience = Experience.objects.get()
    assert experience.latest is not None
    assert (experience.latest.version, Version.objects.count()) == ("1.2.0", 4)


def test_publishers_of_the_same_conditions_do_not_wait_for_each_other_in_a_circle() -> None:
    conditions = {f"custom.key{number}": "yes" for number in range(30)}
    backwards = dict(reversed(conditions.items()))
    calls = []
    for number in range(4):
        slug = f"org{number}"
        factories.organization(slug)
        calls.append(publisher(slug, package_bytes(conditions=backwards if number % 2 else conditions)))
    results = at_once(*calls)
    assert all(isinstance(result, Published) for result in results), results
    assert Condition.objects.count() == 30
    assert len({tuple(version.condition_ids) for version in Version.objects.all()}) == 1


def test_the_sweep_never_takes_what_is_being_published(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.organization("acme")
    archive = package_bytes()
    monkeypatch.setattr("experiences.services.sweep_blobs.GRACE", timedelta(seconds=-60))
    results = at_once(publisher("acme", archive), *[sweep_blobs] * 3)
    assert isinstance(results[0], Published), results
    assert all(isinstance(result, int) for result in results[1:]), results
    assert has_blob(digest(archive))
    assert sweep_blobs() == 0
    assert has_blob(digest(archive))


def test_bytes_that_the_sweep_took_in_between_are_stored_again(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiences.services import publish as module

    factories.organization("acme")
    archive = package_bytes()

    def stored_and_lost(data: bytes) -> str:
        name = store_blob(data)
        for path in store.rglob("*"):
            if path.is_file():
                path.unlink()
        monkeypatch.setattr(module, "store_blob", store_blob)
        return name

    monkeypatch.setattr(module, "store_blob", stored_and_lost)
    publisher("acme", archive)()
    assert has_blob(digest(archive))


def test_yanking_and_publishing_at_once_never_lead_to_a_yanked_version() -> None:
    acme = factories.organization("acme")
    first = publish(acme)
    actor = factories.owner_actor(acme)
    results = at_once(
        publisher("acme", package_bytes(version="1.1.0")),
        lambda: yank(actor=actor, version=first, reason="wrong"),
    )
    assert not [result for result in results if isinstance(result, Exception)]
    experience = Experience.objects.get()
    assert experience.latest is not None
    assert (experience.latest.version, experience.latest.yanked_at) == ("1.1.0", None)


def test_the_control_two_at_once_really_overlap() -> None:
    """If this fails, the races above prove nothing: both must look before either writes."""
    factories.organization("acme")
    both_have_looked = threading.Barrier(2)

    def looks_then_writes() -> bool:
        found = Condition.objects.filter(key="control").exists()
        both_have_looked.wait(60)
        Condition.objects.create(canonical=str(uuid.uuid4()), key="control", operator="exists", value=True)
        return found

    assert at_once(looks_then_writes, looks_then_writes) == [False, False]
    assert Condition.objects.filter(key="control").count() == 2
