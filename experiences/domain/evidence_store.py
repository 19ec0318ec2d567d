"""Evidence as bytes and back: gzipped JSON, the same bytes for the same evidence, never more than is admitted."""

from __future__ import annotations

import gzip
import io

from keiken.replay.evidence import EVIDENCE_BYTES, Evidence

UNPACKED_BYTES = 2 * EVIDENCE_BYTES
"""The replayer keeps to half of it; more than this was not written by us."""


def packed(run: Evidence) -> bytes:
    return gzip.compress(run.model_dump_json(exclude_defaults=True).encode(), mtime=0)


def unpacked(content: bytes) -> Evidence:
    """Raises ValueError for what ``packed`` did not write."""
    with gzip.open(io.BytesIO(content)) as file:
        data = file.read(UNPACKED_BYTES + 1)
    if len(data) > UNPACKED_BYTES:
        raise ValueError("evidence is larger than what is ever stored")
    return Evidence.model_validate_json(data)
