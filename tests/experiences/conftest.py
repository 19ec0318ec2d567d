"""A store and a key folder for each test, versions to work on, and what a refusal must leave as it was."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from accounts.models import AuditEntry, Organization
from experiences.models import (
    Attestation,
    Blob,
    Condition,
    Experience,
    ScenarioResult,
    Verification,
    Version,
)
from experiences.services.claim import claim
from experiences.services.conclude import conclude
from experiences.services.embed_listings import embed_listings
from experiences.services.proving import Seen
from keiken.replay.report import Report, ScenarioVerdict
from keiken.sandbox.protocol import Capability, Environment
from tests import factories
from tests.embedding_server import DIMENSIONS, KEY, Endpoint, embedding_endpoint
from tests.packages import package_bytes

sys.path.append(str(Path(__file__).resolve().parents[2] / "agent" / "tests"))

MODELS = (Attestation, AuditEntry, Blob, Condition, Experience, ScenarioResult, Verification, Version)
DIGEST = "sha256:" + "e" * 64


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    """An empty blob store and data folder of this test's own."""
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"data_dir": tmp_path / "data"})
    folder = tmp_path / "blobs"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            **settings.STORAGES["default"],
            "OPTIONS": {"location": str(folder), "file_permissions_mode": 0o640},
        },
    }
    return folder


@pytest.fixture(autouse=True)
def _fresh_counters() -> None:
    cache.clear()


@pytest.fixture
def acme(db: None) -> Organization:
    return factories.organization("acme")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """The messages that would have gone to the broker: ``(task, arguments)``."""
    from celery import current_app

    messages: list[tuple[str, tuple[str, ...]]] = []

    def keep(task: str, arguments: Sequence[str] = (), **_options: object) -> None:
        messages.append((task.rpartition(".")[2], tuple(arguments)))

    monkeypatch.setattr(current_app, "send_task", keep)
    return messages


def publish(organization: Organization, *, visibility: str | None = None, **parts: Any) -> Version:
    from experiences.services.publish import publish as publish_version

    return publish_version(
        actor=factories.owner_actor(organization),
        organization_slug=organization.slug,
        archive=package_bytes(**parts),
        visibility=visibility,
    ).version


def kept(store: Path) -> tuple[dict[str, int], list[str]]:
    """Row counts and stored files: what a refusal must not change."""
    files = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())
    return {model.__name__: model.objects.count() for model in MODELS}, files


def report(**parts: Any) -> Report:
    return Report.model_validate(
        {
            "replay_id": str(uuid.uuid4()),
            "experience": "write-greeting",
            "version": "1.0.0",
            "digest": DIGEST,
            "outcome": "succeeded",
            "started_at": datetime(2026, 11, 23, tzinfo=UTC),
            "replayer": "keiken test",
            "executor": {
                "driver": "bubblewrap",
                "isolation": "namespace",
                "environment": "debian-12",
                "environment_digest": DIGEST,
            },
            **parts,
        }
    )


def seen(verdicts: Mapping[str, str], *, digest: str = DIGEST, reason: str = "", **parts: Any) -> Seen:
    """What a worker brings back: scenario to verdict."""
    return Seen(
        environment=Environment(name="debian-12", digest=digest, root=Path("/"), facts={"os.family": "linux"}),
        capability=Capability(driver="bubblewrap", working=True, isolation="namespace", limits_enforced=True),
        verdicts=[
            ScenarioVerdict.model_validate(
                {"scenario": name, "verdict": verdict, "reason": reason, "report": report(**parts)}
            )
            for name, verdict in verdicts.items()
        ],
    )


def open_row(version: Version, environment: str = "debian-12") -> Verification:
    """The verification that waits, made if there is none."""
    from experiences.services.enqueue_verification import enqueue

    waiting = Verification.objects.filter(version=version, environment_name=environment).exclude(state="done").first()
    row = waiting or enqueue(version=version, environment_name=environment, trigger="age")
    assert row is not None
    return row


def concluded(version: Version, verdict: str = "passed", **parts: Any) -> Verification:
    """One verification of the version claimed and concluded as a worker would."""
    wanted = open_row(version)
    Verification.objects.filter(pk=wanted.pk).update(priority=99)
    Verification.objects.exclude(pk=wanted.pk).filter(priority=99).update(priority=10)
    row = claim(environments=["debian-12"])
    assert row is not None
    assert row.pk == wanted.pk
    names = [item["name"] for item in version.manifest["scenarios"] if "debian-12" in item["environments"]]
    verdicts = {name: "passed" for name in names} | {names[0]: verdict}
    assert conclude(row, seen(verdicts, **parts))
    row.refresh_from_db()
    return row


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return or raise, each run in a thread and a database connection of its own, all at one moment."""
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        try:
            barrier.wait()
            results[number] = calls[number]()
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def configure(settings: Any, url: str, **more: Any) -> None:
    values = {
        "embedding_url": url,
        "embedding_api_key": KEY,
        "embedding_model": "concepts",
        "embedding_dimensions": DIMENSIONS,
        **more,
    }
    settings.KEIKEN = settings.KEIKEN.model_copy(update=values)


def listed(acme: Organization, name: str, title: str, **parts: Any) -> Any:
    skill = f"---\nname: {name}\ndescription: {title}\nlicense: Apache-2.0\n---\n\n# {title}\n"
    return publish(acme, name=name, title=title, skill=skill, **{"conditions": {}, "topics": ["ops"], **parts})


@pytest.fixture
def endpoint(settings: Any, store: Any) -> Iterator[Endpoint]:
    with embedding_endpoint() as server:
        configure(settings, server.url)
        yield server


@pytest.fixture
def shelf(acme: Organization, endpoint: Endpoint) -> None:
    listed(acme, "rotate-certificate", "Rotate a certificate", conditions={"os.family": "linux"}, topics=["tls"])
    listed(acme, "https-proxy", "Serve pages by https")
    listed(acme, "sabaa-koushin", "サーバー証明書を更新する")
    listed(acme, "free-space", "Clean up a full disk", conditions={"os.family": "windows"})
    listed(acme, "hikae", "データベースの控えを作る")
    assert embed_listings() == 5
