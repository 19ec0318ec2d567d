"""Rate limits: so many requests per key, person or address and window, counted atomically in the cache."""

from __future__ import annotations

import logging
import time
from typing import Any, ClassVar

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle

from accounts.actors import Actor
from accounts.domain.refusals import TooManyRequests
from marketplace.requests import address

logger = logging.getLogger(__name__)
WINDOW_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_rate(rate: str) -> tuple[int, int]:
    """``120/min`` is ``(120, 60)``: so many requests per so many seconds."""
    count, window = rate.split("/", 1)
    return int(count), WINDOW_SECONDS[window.strip()[0]]


class WindowThrottle(BaseThrottle):
    """A counter per window. When the cache is down it lets everybody through and says so in the log."""

    scope: ClassVar[str]

    def __init__(self) -> None:
        self.wait_seconds: float | None = None

    def identity(self, request: Any) -> str | None:
        """Whom to count; None leaves the request to another throttle."""
        raise AssertionError("every throttle says whom it counts")

    def allow_request(self, request: Any, view: Any) -> bool:
        identity = self.identity(request)
        return identity is None or self.count(identity)

    def count(self, identity: str) -> bool:
        """Count one request; False when the window is used up. Sets the seconds until the next window."""
        limit, window = parse_rate(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"][self.scope])
        now = time.time()
        key = f"rate:{self.scope}:{identity}:{int(now // window)}"
        try:
            cache.add(key, 0, timeout=window * 2)
            used = cache.incr(key)
        except (RedisError, OSError) as error:
            logger.warning("The rate limit is off because the cache does not answer: %s", error)
            return True
        except ValueError:
            # The key was evicted between the two calls: nothing was counted, and nobody is to blame.
            return True
        self.wait_seconds = window - now % window
        return used <= limit

    def wait(self) -> float | None:
        return self.wait_seconds


class AnonymousThrottle(WindowThrottle):
    """Strangers, by address."""

    scope = "anonymous"

    def identity(self, request: Any) -> str | None:
        return None if _actor(request) else address(request)

    def allow_address(self, request: Any) -> bool:
        """Count a refused key against the address it came from."""
        return self.count(address(request))


class KnownThrottle(WindowThrottle):
    """People and agents, by key where there is one."""

    scope = "known"

    def identity(self, request: Any) -> str | None:
        actor = _actor(request)
        if actor is None:
            return None
        return f"key-{actor.api_key_id}" if actor.api_key_id else f"{actor.kind}-{actor.id}"


def _actor(request: Any) -> Actor | None:
    actor = request.auth
    return actor if isinstance(actor, Actor) and actor.is_known else None


class PasswordThrottle(WindowThrottle):
    """Passwords asked for again on pages of ours: allauth counts its own."""

    scope = "password"


def count_guess(person_id: int) -> None:
    """Raises TooManyRequests ``rate_limited``."""
    throttle = PasswordThrottle()
    if not throttle.count(f"person:{person_id}"):
        raise TooManyRequests(
            "rate_limited",
            _("The password was asked for too often."),
            _("Try again in an hour."),
            {"retry_after_seconds": round(throttle.wait_seconds or 0)},
        )
