"""The vectors of listings: what has them made again, who makes them, and what an operator sees of it."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import AuditEntry, Organization
from experiences.models import Embedding
from experiences.search.shelf import SHELF
from experiences.services.embed_listings import embed_listings
from experiences.services.embedding_rows import BATCH, claim_batch, keep_vectors
from experiences.services.want_missing_embeddings import want_missing_embeddings
from tests import factories
from tests.embedding_server import DIMENSIONS, Endpoint
from tests.experiences.conftest import at_once, configure, listed
from tests.experiences.meanings import ask, names

pytestmark = pytest.mark.usefixtures("sent")  # nobody needs to be woken here


def test_another_model_embeds_everything_again(shelf: None, settings: Any, endpoint: Endpoint) -> None:
    before = {row.pk: row.made_at for row in Embedding.objects.all()}
    configure(settings, endpoint.url, embedding_model="concepts-2")
    SHELF.forget()  # another model is another process
    assert names(ask(words="storage")) == [], "vectors of two models cannot be compared"
    assert (want_missing_embeddings(), want_missing_embeddings()) == (5, 0)
    assert embed_listings() == 5
    assert {row.space for row in Embedding.objects.all()} == {f"concepts-2@{DIMENSIONS}"}
    assert all(row.made_at > before[row.pk] for row in Embedding.objects.all())
    assert names(ask(words="storage")) == ["free-space"]
    assert embed_listings() == 0


def test_a_new_version_is_found_by_the_old_text_until_it_has_a_vector(
    shelf: None, acme: Organization, endpoint: Endpoint
) -> None:
    listed(acme, "free-space", "Send a mail", version="2.0.0", conditions={})
    assert names(ask(words="storage")) == ["free-space"]
    assert embed_listings() == 1
    assert names(ask(words="storage")) == []
    assert names(ask(words="メール")) == ["free-space"]


def test_a_version_published_meanwhile_takes_the_vector_of_its_own_text(acme: Organization, endpoint: Endpoint) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    rows = claim_batch()
    second = listed(acme, "free-space", "Send a mail", version="2.0.0")
    assert keep_vectors(rows, np.eye(1, DIMENSIONS, dtype=np.float32)) == 0
    assert embed_listings() == 1
    assert Embedding.objects.get().version == second
    assert names(ask(words="storage")) == []


def test_a_worker_that_died_leaves_its_texts_to_the_next(acme: Organization, endpoint: Endpoint) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    (row,) = claim_batch()
    assert embed_listings() == 0, "another holds it"
    Embedding.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert embed_listings() == 1
    assert keep_vectors([row], np.eye(1, DIMENSIONS, dtype=np.float32)) == 0
    assert names(ask(words="storage")) == ["free-space"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_no_text_twice(endpoint: Endpoint) -> None:
    acme = factories.organization("acme")
    count = BATCH + 3
    for number in range(count):
        listed(acme, f"disk-{number}", f"Clean up disk {number}")
    assert sum(at_once(embed_listings, embed_listings)) == count
    assert len(endpoint.texts) == len(set(endpoint.texts)) == count
    assert len(ask(words="storage", limit=100).hits) == count


def test_what_was_listed_before_there_was_an_endpoint_is_embedded(
    acme: Organization, settings: Any, endpoint: Endpoint
) -> None:
    configure(settings, "")
    listed(acme, "free-space", "Clean up a full disk")
    assert Embedding.objects.count() == 0
    configure(settings, endpoint.url)
    assert want_missing_embeddings() == 1
    assert embed_listings() == 1
    assert endpoint.texts[0].splitlines()[:3] == ["Clean up a full disk", "ops", "Clean up a full disk"]


# --- what an operator sees


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("embeddings", *arguments, stdout=out)
    return out.getvalue()


def test_an_operator_sees_what_waits_and_why_and_has_it_tried_again(
    acme: Organization, endpoint: Endpoint, sent: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    listed(acme, "free-space", "Clean up a full disk")
    endpoint.status = 503
    embed_listings()
    assert command().splitlines() == [
        f"concepts@{DIMENSIONS}: 0 texts have a vector, 1 wait for one.",
        "    status_503: 1",
    ]
    endpoint.status = 200
    assert embed_listings() == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert json.loads(command("--retry", "--json"))["retried"] == 1
    assert sent == [("embed_listings", ())]
    assert AuditEntry.objects.filter(action="embedding.retry").count() == 1
    assert embed_listings() == 1


def test_without_an_endpoint_the_command_says_what_to_set(db: None) -> None:
    with pytest.raises(CommandError, match="KEIKEN_EMBEDDING_URL"):
        command()
