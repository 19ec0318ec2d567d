"""Vectors of texts from an OpenAI-compatible endpoint, if the operator has named one. Always optional.

Nothing that the endpoint says is repeated: an error of its may quote the key. A redirect is not followed, since it
would carry the key along.
"""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import httpx
import numpy as np
from django.conf import settings
from django.core.cache import cache
from numpy.typing import NDArray
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
BATCH_SECONDS = 30.0
QUERY_SECONDS = 1.0
"""A search waits so long for what its words mean; then words alone answer."""
QUERY_KEPT_SECONDS = 6 * 3600
PAUSE_SECONDS = 30
"""After a failure searches do not ask for so long, in any process: they would only wait."""
ANSWER_BYTES_MAX = 8 << 20
_PAUSE_KEY = "embedding:pause"


class NoVectors(Exception):
    """``word`` is a stable word for why. ``is_about_texts``: others may be taken, so try each by itself."""

    def __init__(self, word: str, *, is_about_texts: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.is_about_texts = is_about_texts


def space() -> str:
    """Names what vectors may be compared with each other; empty where no endpoint is configured."""
    configured = settings.KEIKEN
    return f"{configured.embedding_model}@{configured.embedding_dimensions}" if configured.embedding_url else ""


def embed(texts: Sequence[str], *, seconds: float = BATCH_SECONDS) -> Vectors:
    """One vector of length one for each text, ``(texts, dimensions)``, in so many seconds. Raises NoVectors."""
    # Timeouts of a connection are for a silence, and a name that does not resolve has none at all; only a thread that
    # can be left alone bounds the whole.
    answers: queue.Queue[Vectors | Exception] = queue.Queue()
    client = httpx.Client(verify=_certificates(), timeout=seconds)

    def ask() -> None:
        try:
            answers.put(_asked(client, texts))
        except Exception as error:  # carried over to whoever waits
            answers.put(error)

    threading.Thread(target=ask, name="embedding", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise NoVectors("timeout") from None
    finally:
        # The thread of an answer that drips ends with its next byte.
        client.close()
    if isinstance(answer, Exception):
        raise answer
    return answer


def meaning_of(words: str) -> Vectors | None:
    """The vector of a query's words, ``(dimensions,)``, within a second; None where there is none to be had."""
    if not words or not space():
        return None
    key = "embedding:" + hashlib.sha256(f"{space()}\0{words}".encode()).hexdigest()
    try:
        known = cache.get_many([key, _PAUSE_KEY])
        if key not in known and (_PAUSE_KEY in known or not _may_ask()):
            return None
    except RedisError:
        # Nobody would remember that the endpoint fails, and every search would wait for it.
        return None
    if key in known:
        return np.frombuffer(known[key], dtype="<f4") if known[key] else None
    try:
        found: Vectors = embed([words], seconds=QUERY_SECONDS)[0]
    except NoVectors as error:
        if error.is_about_texts:
            # Only these words: nobody can switch the meaning off for others by asking what cannot be embedded.
            _remember(key, b"", PAUSE_SECONDS)
            return None
        logger.warning("no vector for a search, words alone answer for %d s: %s", PAUSE_SECONDS, error.word)
        _remember(_PAUSE_KEY, error.word, PAUSE_SECONDS)
        return None
    _remember(key, found.astype("<f4").tobytes(), QUERY_KEPT_SECONDS)
    return found


def _may_ask() -> bool:
    """Counts the question: strangers' searches must not run up the operator's bill."""
    minute = f"embedding:asked:{int(time.time()) // 60}"
    cache.add(minute, 0, 120)
    return bool(cache.incr(minute) <= settings.KEIKEN.embedding_queries_per_minute)


def _remember(key: str, value: bytes | str, seconds: int) -> None:
    with suppress(RedisError):
        cache.set(key, value, seconds)


def signs_of(vectors: Vectors) -> NDArray[np.uint64]:
    """One bit for each number, ``(texts, uint64s)``: how many differ tells the angle of two vectors roughly."""
    bits = np.packbits(vectors > 0, axis=1)
    lacking = -bits.shape[1] % 8
    padded = np.pad(bits, ((0, 0), (0, lacking)))
    return padded.view("<u8")


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than most requests."""
    return httpx.create_ssl_context()


def _asked(client: httpx.Client, texts: Sequence[str]) -> Vectors:
    try:
        document = json.loads(_post(client, texts))
    except httpx.TimeoutException:
        raise NoVectors("timeout") from None
    except (httpx.HTTPError, OSError):
        raise NoVectors("connection") from None
    except (ValueError, RecursionError):
        raise NoVectors("answer_unreadable") from None
    return _vectors(document, len(texts))


def _post(client: httpx.Client, texts: Sequence[str]) -> bytes:
    configured = settings.KEIKEN
    body: dict[str, Any] = {"model": configured.embedding_model, "input": list(texts), "encoding_format": "float"}
    if configured.embedding_shortens:
        body["dimensions"] = configured.embedding_dimensions
    headers = {"Authorization": f"Bearer {configured.embedding_api_key}"} if configured.embedding_api_key else {}
    url = f"{configured.embedding_url}/embeddings"
    with client.stream("POST", url, json=body, headers=headers) as response:
        if response.status_code != httpx.codes.OK:
            raise NoVectors(f"status_{response.status_code}", is_about_texts=response.status_code in (400, 413, 422))
        data = b""
        for part in response.iter_bytes(1 << 16):
            data += part
            if len(data) > ANSWER_BYTES_MAX:
                raise NoVectors("answer_too_long")
    return data


def _vectors(document: Any, count: int) -> Vectors:
    try:
        rows = sorted(document["data"], key=lambda row: int(row["index"]))
        lists = [row["embedding"] for row in rows]
        if [int(row["index"]) for row in rows] != list(range(count)):
            raise NoVectors("answer_incomplete")
        if any(len(numbers) != settings.KEIKEN.embedding_dimensions for numbers in lists):
            raise NoVectors("wrong_dimensions")
        vectors = np.array(lists, dtype=np.float32)
    except (TypeError, ValueError, KeyError, OverflowError, AttributeError):
        raise NoVectors("answer_unreadable") from None
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise NoVectors("no_direction", is_about_texts=True)
    unit: Vectors = (vectors / lengths).astype(np.float32)
    return unit
