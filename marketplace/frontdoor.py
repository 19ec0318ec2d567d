"""In front of Django: licensed downloads that are plainly in order are answered here, everything else passes through.

What a download costs on the long way is mostly middleware and one look-up per question. Here it is one statement on a
connection that stays open. A refusal, a strange request or trouble of any kind goes the long way, unchanged.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final

import psycopg
import redis
from django.conf import settings

from experiences.blobs import local_path
from licensing.services.mark_copy import marked_copy
from marketplace.middleware import CONTENT_SECURITY_POLICY
from marketplace.patience import REDIS_OPTIONS
from marketplace.services.decide_at_once import Allowed, decide_at_once
from marketplace.throttling import parse_rate

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

logger = logging.getLogger(__name__)
_SLUG = r"[-a-zA-Z0-9_]+"
_PATH: Final = re.compile(rf"/api/v1/experiences/({_SLUG})/({_SLUG})/versions/([0-9A-Za-z.+-]+)/(package|entitlement)")
_UNUSUAL: Final = ("HTTP_RANGE", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_COOKIE")
_PERMISSION: Final = """
SELECT p.id FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
WHERE p.codename = 'download_experience' AND t.app_label = 'experiences' AND t.model = 'experience'
"""
_KNOWN_KEYS_LIMIT: Final = 10_000
MOST_AHEAD: Final = 16


class FrontDoor:
    """A WSGI application around Django's."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._mine = threading.local()
        self._key_ids: dict[str, int] = {}
        """Prefixes to ids, so that a request is counted before it is decided. Ids never change."""
        self._counted: dict[int, tuple[int, int]] = {}
        """By key: the window, and how many further requests in it are counted already. Of known keys only."""
        self._lock = threading.Lock()
        self._redis = redis.Redis.from_url(settings.REDIS_URL, **REDIS_OPTIONS)
        self._limit, self._window = parse_rate(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]["known"])

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        matched = _PATH.fullmatch(environ.get("PATH_INFO", "")) if environ["REQUEST_METHOD"] == "GET" else None
        header: str = environ.get("HTTP_AUTHORIZATION", "")
        is_plain = header.startswith("Bearer kk_") and not any(name in environ for name in _UNUSUAL)
        if matched is None or not is_plain or (settings.SECURE_SSL_REDIRECT and not _is_https(environ)):
            return self._application(environ, start_response)
        organization, name, version, what = matched.groups()
        allowed = self._decide(header[7:], organization, name, version)
        body = None if allowed is None else _entitlement(allowed) if what == "entitlement" else _package(allowed)
        if allowed is None or body is None:
            return self._application(environ, start_response)
        start_response("200 OK", _headers(allowed, what, len(body)))
        return [body]

    def _decide(self, key: str, organization: str, name: str, version: str) -> Allowed | None:
        prefix = key[3:13]
        try:
            known = self._key_ids.get(prefix)
            if known is not None and not self._count(known):
                return None
            cursor, permission_id = self._cursor()
            allowed = decide_at_once(
                cursor, key=key, organization=organization, name=name, version=version, permission_id=permission_id
            )
        except (psycopg.Error, redis.RedisError) as error:
            logger.warning("a download goes the long way: %s", type(error).__name__)
            self._mine.__dict__.clear()
            return None
        if allowed is not None and known is None and len(self._key_ids) < _KNOWN_KEYS_LIMIT:
            self._key_ids[prefix] = allowed.api_key_id
        return allowed

    def _count(self, key_id: int) -> bool:
        """The same counter as ``marketplace.throttling``; False sends the request there, to be refused.

        A few requests are counted in advance and then let through without asking: nobody gets more than the limit, and
        at most a hundredth of it is lost in each process.
        """
        window = int(time.time() // self._window)
        with self._lock:
            kept_window, left = self._counted.get(key_id, (window, 0))
            if kept_window == window and left > 0:
                self._counted[key_id] = (window, left - 1)
                return True
        ahead = max(1, min(MOST_AHEAD, self._limit // 100))
        counter = f"{settings.CACHES['default']['KEY_PREFIX']}:1:rate:known:key-{key_id}:{window}"
        used = int(self._redis.incrby(counter, ahead))
        if used == ahead:
            self._redis.expire(counter, self._window * 2)
        granted = min(ahead, self._limit - (used - ahead))
        with self._lock:
            kept_window, left = self._counted.get(key_id, (window, 0))
            left = left if kept_window == window else 0
            self._counted[key_id] = (window, left + max(0, granted - 1))
        return granted > 0

    def _cursor(self) -> tuple[psycopg.Cursor[Any], int]:
        """Of this thread's own connection, opened at first use."""
        mine = self._mine.__dict__
        if "cursor" not in mine:
            connection = psycopg.connect(**_parameters(), autocommit=True)
            row = connection.execute(_PERMISSION).fetchone()
            if row is None:
                raise psycopg.DataError("the permissions are not there yet")
            mine["permission"], mine["cursor"] = int(row[0]), connection.cursor()
        return mine["cursor"], mine["permission"]


def _is_https(environ: Environ) -> bool:
    """As the proxy in front of an https site says (SECURE_PROXY_SSL_HEADER)."""
    return str(environ.get("HTTP_X_FORWARDED_PROTO", environ.get("wsgi.url_scheme"))) == "https"


def _parameters() -> dict[str, Any]:
    from django.db import connection

    wanted: dict[str, Any] = connection.get_connection_params()
    return {name: wanted[name] for name in ("dbname", "user", "password", "host", "port") if wanted.get(name)}


def _package(allowed: Allowed) -> bytes | None:
    """None where the bytes are not on this machine's disk, or not as they should be."""
    try:
        path = marked_copy(allowed.blob_id, allowed.grant_id) or local_path(allowed.blob_id)
        return path.read_bytes() if path is not None else None
    except OSError:
        return None


def _entitlement(allowed: Allowed) -> bytes:
    return (
        f'{{"experience":"{allowed.experience}","version":"{allowed.version}","digest":"{allowed.blob_id}",'
        f'"size_bytes":{allowed.size_bytes},"license":"{allowed.grant_id}"}}'
    ).encode()


def _headers(allowed: Allowed, what: str, size: int) -> list[tuple[str, str]]:
    is_package = what == "package"
    kind = "application/gzip" if is_package else "application/json"
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(size)),
        ("ETag", f'W/"{allowed.blob_id}"'),
        ("Keiken-Digest", allowed.blob_id),
        ("Keiken-License", allowed.grant_id),
        ("Cache-Control", "private, no-cache" if is_package else "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Request-Id", uuid.uuid4().hex),
    ]
    if settings.SECURE_HSTS_SECONDS:
        lasting = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        headers.append(("Strict-Transport-Security", lasting))
    if is_package:
        file = f"{allowed.experience.partition('/')[2]}-{allowed.version}.tar.gz"
        headers.append(("Content-Disposition", f'attachment; filename="{file}"'))
    return headers
