"""How long the broker's silence is borne: one more try at once, two seconds each, and then we go on without it.

The client's own default tries ten more times over four seconds, for every question that a request asks.
"""

from __future__ import annotations

from typing import Any, Final

from redis.backoff import NoBackoff
from redis.retry import Retry

REDIS_OPTIONS: Final[dict[str, Any]] = {
    "retry": Retry(NoBackoff(), 1),
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
}
