"""Giving every listed text a vector: in batches, from rows, while publishing and searching go on without."""

from __future__ import annotations

import logging

from accounts.services.outbox import nudge
from experiences.embedding import NoVectors, embed, space
from experiences.models import Version
from experiences.services.embedding_rows import TASK, claim_batch, keep_vectors, put_off
from experiences.services.listing import step_titles

logger = logging.getLogger(__name__)
TEXT_CHARACTERS = 4_000
BATCHES_AT_ONCE = 10
"""One run ends after so many and asks for another, so that other work of the queue gets its turn."""


def embed_listings() -> int:
    """Embed what is due. How many vectors were made.

    A run ends at the first trouble that is not about the texts: what waits is tried again when it is due.
    """
    if not space():
        return 0
    made = 0
    for _turn in range(BATCHES_AT_ONCE):
        rows = claim_batch()
        if not rows:
            return made
        try:
            vectors = embed([text_of(row.version) for row in rows])
        except NoVectors as error:
            logger.warning("%d texts got no vector, attempt %d: %s", len(rows), rows[0].attempts, error.word)
            put_off(rows, error)
            if error.is_about_texts:
                continue
            return made
        made += keep_vectors(rows, vectors)
    nudge(TASK)
    return made


def text_of(version: Version) -> str:
    """What is embedded: title, topics, summary and the steps' titles, the first 4,000 characters."""
    manifest = version.manifest
    summary = manifest.get("summary") or version.skill["description"]
    parts = (manifest["title"], ", ".join(manifest.get("topics", [])), summary, step_titles(version))
    return "\n".join(part for part in parts if part)[:TEXT_CHARACTERS]
