"""Rate limits count whom they should, say how long to wait, and never take the site down."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from typing import Any

import pytest
from django.test import Client
from redis.exceptions import ConnectionError as RedisDown

from marketplace import throttling
from marketplace.throttling import parse_rate
from tests.marketplace.conftest import Market


@pytest.fixture
def tight(settings: Any) -> None:
    rates = {"anonymous": "3/min", "known": "5/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}


def ask(**headers: str) -> Any:
    return Client().get("/api/v1/", headers=headers)


@pytest.mark.parametrize(("rate", "meaning"), [("120/min", (120, 60)), ("5/s", (5, 1)), ("9/day", (9, 86_400))])
def test_rates_are_read(rate: str, meaning: tuple[int, int]) -> None:
    assert parse_rate(rate) == meaning


def test_a_stranger_is_told_to_wait(db: None, tight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_000.0)
    assert [ask().status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = ask()
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["Retry-After"] == "20"
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_021.0)
    assert ask().status_code == 200


def test_keys_are_counted_by_themselves(market: Market, tight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_000.0)
    one, other = market.key(market.acme).headers, market.key(market.acme).headers
    assert [ask(**one).status_code for _ in range(6)] == [200] * 5 + [429]
    assert ask(**other).status_code == 200
    assert ask().status_code == 200


def test_guessing_keys_costs_the_guesser(db: None, tight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_000.0)
    assert [ask(Authorization=f"Bearer kk_guess{n}").status_code for n in range(4)] == [401, 401, 401, 429]


def test_a_forged_address_is_not_believed(db: None, tight: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 1_000_000_000.0)
    answers = [ask(**{"X-Forwarded-For": f"10.0.0.{n}"}).status_code for n in range(4)]
    assert answers == [200, 200, 200, 429]


def test_without_the_cache_everybody_passes_and_the_log_says_so(
    db: None, tight: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Down:
        def add(self, *args: object, **kwargs: object) -> None:
            raise RedisDown("connection refused")

    monkeypatch.setattr(throttling, "cache", Down())
    with caplog.at_level(logging.WARNING, logger="marketplace.throttling"):
        assert [ask().status_code for _ in range(5)] == [200] * 5
    assert "rate limit is off" in caplog.text


def test_a_broker_that_hangs_up_is_asked_once_more_and_then_done_without(db: None, tight: None, settings: Any) -> None:
    asked = 0

    def hang_up() -> None:
        nonlocal asked
        with contextlib.suppress(OSError):
            while True:
                came, _peer = listener.accept()
                asked += 1  # before it is hung up: then the asker goes on, and may be done first
                came.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, daemon=True).start()
        address = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": address}}
        assert ask().status_code == 200
    assert asked == 2
