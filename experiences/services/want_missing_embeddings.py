"""Wanting vectors for what was listed before there was an endpoint, or embedded by another model."""

from __future__ import annotations

from experiences.services.embedding_rows import WANTED_AT_ONCE, want_embeddings


def want_missing_embeddings() -> int:
    """How many texts now wait that did not before. A few thousand to a transaction, until none is missing."""
    wanted = last = want_embeddings()
    while last == WANTED_AT_ONCE:
        last = want_embeddings()
        wanted += last
    return wanted
