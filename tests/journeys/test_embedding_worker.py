"""Vectors by a real worker: one that is killed while it waits for the endpoint loses no text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as site_settings
from django.utils import timezone

from accounts.actors import ANONYMOUS
from accounts.services.outbox import nudge
from experiences.models import Embedding
from experiences.search.find import Question, find
from experiences.services.publish import publish
from marketplace.supervisor import Stack
from tests import factories
from tests.embedding_server import DIMENSIONS, KEY, Endpoint, embedding_endpoint
from tests.journeys.conftest import wait_until
from tests.packages import package_bytes
from tests.serving import stack_environ

pytestmark = [pytest.mark.slow]


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    with embedding_endpoint() as running:
        settings.KEIKEN = settings.KEIKEN.model_copy(
            update={
                "embedding_url": running.url,
                "embedding_api_key": KEY,
                "embedding_model": "concepts",
                "embedding_dimensions": DIMENSIONS,
            }
        )
        yield running


@pytest.fixture
def stack(transactional_db: None, tmp_path: Path, endpoint: Endpoint) -> Iterator[Stack]:
    redis.Redis.from_url(site_settings.REDIS_URL).flushdb()
    environ = {
        **stack_environ(),
        "KEIKEN_DATA_DIR": str(tmp_path / "data"),
        "KEIKEN_SECRET_KEY": site_settings.SECRET_KEY,
        "KEIKEN_EMBEDDING_URL": endpoint.url,
        "KEIKEN_EMBEDDING_KEY": KEY,
        "KEIKEN_EMBEDDING_MODEL": "concepts",
        "KEIKEN_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
    }
    with Stack(tmp_path / "logs", environ) as running:
        yield running


def test_a_text_whose_worker_died_gets_its_vector_from_another(
    stack: Stack, endpoint: Endpoint, tmp_path: Path
) -> None:
    acme = factories.organization("acme")
    endpoint.wait_seconds = 60
    stack.start_worker("outgoing", "outgoing")
    publish(
        actor=factories.owner_actor(acme),
        organization_slug=acme.slug,
        archive=package_bytes(name="free-space", title="Clean up a full disk", conditions={}),
    )
    wait_until(lambda: len(endpoint.asked) == 1, "the first question, by the nudge of publishing alone")
    stack.kill("outgoing")
    row = Embedding.objects.get()
    assert (row.made_at, row.attempts, row.lease_token is not None) == (None, 1, True)
    endpoint.wait_seconds = 0
    # The lease of a dead worker runs out by itself; the test does not wait for it.
    Embedding.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    stack.start_worker("another", "outgoing")
    nudge("experiences.tasks.embed_listings")
    wait_until(lambda: Embedding.objects.get().made_at is not None, "the vector")
    assert [hit.version.experience.name for hit in find(ANONYMOUS, Question(words="容量")).hits] == ["free-space"]
    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "embed_listings" in logs
    assert KEY not in logs
