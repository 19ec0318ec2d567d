"""The short way says yes only where the long way would, writes the same row, and leaves every refusal to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from guardian.models import GroupObjectPermission

from accounts.models import Agent, ApiKey, AuditEntry
from experiences.blobs import local_path
from licensing.models import Grant, Offer, Seat
from licensing.services.mark_copy import marked_copy
from marketplace.frontdoor import FrontDoor
from tests import factories
from tests.marketplace.conftest import Market, audit

pytestmark = pytest.mark.django_db(transaction=True)
PACKAGE = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/package"
ENTITLEMENT = PACKAGE.replace("package", "entitlement")


class Door:
    """The front door before an application that only says that it was asked."""

    def __init__(self) -> None:
        self.door = FrontDoor(self._long_way)
        self.went_long = 0

    def _long_way(self, _environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.went_long += 1
        start_response("599 long way", [])
        return [b""]

    def get(self, path: str, key: factories.Key | None, **environ: str) -> tuple[str, dict[str, str], bytes]:
        answer: list[Any] = []
        asked = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.url_scheme": "http", **environ}
        if key is not None:
            asked["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
        body = b"".join(self.door(asked, lambda status, headers: answer.extend((status, dict(headers)))))
        return answer[0], answer[1], body

    def close(self) -> None:
        cursor = self.door._mine.__dict__.get("cursor")
        if cursor is not None:
            cursor.connection.close()


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()
    yield found
    found.close()


@pytest.fixture
def key(market: Market) -> factories.Key:
    """Of an agent of globex, used a moment ago."""
    found = market.key(market.globex, "download", "read")
    ApiKey.objects.update(last_used_at=timezone.now())
    return found


def test_a_licensed_download_is_answered_as_the_long_way_does(market: Market, key: factories.Key, door: Door) -> None:
    market.grant()
    status, headers, body = door.get(PACKAGE, key)
    long = Client().get(PACKAGE, headers=key.headers)
    assert (status, long.status_code) == ("200 OK", 200)
    assert body == b"".join(long.streaming_content)  # type: ignore[attr-defined]
    same = ("ETag", "Keiken-Digest", "Keiken-License", "Content-Type", "Content-Length", "Cache-Control")
    for name in (*same, "X-Content-Type-Options", "Content-Security-Policy", "Content-Disposition"):
        assert headers[name] == long.headers[name], name
    rows = audit("download.grant")
    kept = [
        (row.organization_id, row.actor_kind, row.actor_id, row.actor_name, row.api_key_id, row.target, row.details)
        for row in rows
    ]
    assert len(kept) == 2
    assert kept[0] == kept[1]
    assert door.went_long == 0


def test_the_question_alone_is_answered_and_kept(market: Market, key: factories.Key, door: Door) -> None:
    market.grant()
    status, _headers, body = door.get(ENTITLEMENT, key)
    long = Client().get(ENTITLEMENT, headers=key.headers)
    assert (status, json.loads(body)) == ("200 OK", long.json())
    assert len(audit("download.grant")) == 2


def _grants(**changes: Any) -> Callable[[Market], object]:
    return lambda market: Grant.objects.update(**changes)


def _keys(**changes: Any) -> Callable[[Market], object]:
    return lambda market: ApiKey.objects.update(**changes)


def _offers(**changes: Any) -> Callable[[Market], object]:
    return lambda market: Offer.objects.update(**changes)


NOW, LATER, EARLIER = timezone.now(), timezone.now() + timedelta(days=1), timezone.now() - timedelta(days=9)
REFUSED: dict[str, Callable[[Market], object]] = {
    "license revoked": lambda market: market.revoke(Grant.objects.get()),
    "license frozen": _grants(frozen_at=NOW),
    "license ended": _grants(starts_at=EARLIER, ends_at=NOW),
    "license begins later": _grants(starts_at=LATER),
    "permission taken": lambda market: GroupObjectPermission.objects.all().delete(),
    "permission of another kind": lambda market: GroupObjectPermission.objects.filter(
        permission__codename="download_experience"
    ).delete(),
    "other versions licensed": _offers(versions=">=2"),
    "key revoked": _keys(revoked_at=NOW),
    "key expired": _keys(expires_at=NOW),
    "key without the scope": _keys(scopes=["read"]),
    "key of another secret": _keys(secret_sha256="0" * 64),
    "agent inactive": lambda market: Agent.objects.update(is_active=False),
}


@pytest.mark.parametrize("state", REFUSED)
def test_what_the_long_way_refuses_is_never_answered_here(
    market: Market, key: factories.Key, door: Door, state: str
) -> None:
    market.grant()
    assert door.get(PACKAGE, key)[0] == "200 OK"
    REFUSED[state](market)
    before = AuditEntry.objects.filter(action="download.grant").count()
    assert door.get(PACKAGE, key)[0] == "599 long way"
    assert Client().get(PACKAGE, headers=key.headers).status_code in (401, 403, 404)
    assert AuditEntry.objects.filter(action="download.grant").count() == before


def test_without_a_license_a_key_or_an_ordinary_request_it_steps_aside(
    market: Market, key: factories.Key, door: Door
) -> None:
    assert door.get(PACKAGE, key)[0] == "599 long way"
    market.grant()
    for path, who, environ in (
        (PACKAGE, None, {}),
        (PACKAGE, key, {"REQUEST_METHOD": "HEAD"}),
        (PACKAGE, key, {"HTTP_IF_NONE_MATCH": '"x"'}),
        (PACKAGE, key, {"HTTP_RANGE": "bytes=0-1"}),
        (PACKAGE, key, {"HTTP_COOKIE": "sessionid=x"}),
        (f"{PACKAGE}/", key, {}),
        (PACKAGE.replace("1.0.0", "9.9.9"), key, {}),
        (PACKAGE.replace("1.0.0", "1.0.0'--"), key, {}),
        ("/", key, {}),
    ):
        assert door.get(path, who, **environ)[0] == "599 long way", path
    assert door.get(PACKAGE.replace("1.0.0", "latest"), key)[0] == "200 OK"


def test_a_seat_is_taken_on_the_long_way_and_kept_on_the_short_one(
    market: Market, key: factories.Key, door: Door
) -> None:
    market.grant()
    Offer.objects.update(seats=1)
    assert door.get(PACKAGE, key)[0] == "599 long way"
    assert Client().get(PACKAGE, headers=key.headers).status_code == 200
    assert door.get(PACKAGE, key)[0] == "200 OK"
    Seat.objects.update(released_at=timezone.now())
    assert door.get(PACKAGE, key)[0] == "599 long way"


def test_a_person_of_the_publisher_and_a_key_not_used_for_long_go_the_long_way(
    market: Market, key: factories.Key, door: Door
) -> None:
    market.grant()
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    assert door.get(PACKAGE, key)[0] == "599 long way"
    own = market.key(market.acme, "download")
    ApiKey.objects.update(last_used_at=timezone.now())
    assert door.get(PACKAGE, own)[0] == "599 long way"


@pytest.fixture
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still, so that no minute ends in between and counting does not begin anew."""
    monkeypatch.setattr("marketplace.frontdoor.time.time", lambda: 1_000_000_000.0)


@pytest.mark.usefixtures("one_minute")
def test_the_rate_limit_is_the_same_counter(market: Market, key: factories.Key, door: Door) -> None:
    market.grant()
    door.door._limit = 5
    answers = [door.get(PACKAGE, key)[0] for _number in range(8)]
    # The first request only learns whose key it is.
    assert answers == ["200 OK"] * 6 + ["599 long way"] * 2
    assert [cache.get(name.decode().split(":", 2)[2]) for name in door.door._redis.keys("*rate:known:key-*")] == [7]


@pytest.mark.usefixtures("one_minute")
def test_what_is_counted_in_advance_is_never_more_than_the_limit(
    market: Market, key: factories.Key, door: Door
) -> None:
    market.grant()
    door.door._limit = 205  # two at once, and the last step is smaller
    asked = 0
    counted = door.door._redis.incrby

    def count(name: str, ahead: int) -> int:
        nonlocal asked
        asked += 1
        return int(counted(name, ahead))

    door.door._redis.incrby = count
    assert door.get(ENTITLEMENT, key)[0] == "200 OK"
    (key_id,) = door.door._key_ids.values()
    answers = [door.door._count(key_id) for _number in range(210)]
    assert answers == [True] * 205 + [False] * 5
    assert asked == 103 + 5


def test_lost_bytes_a_lost_connection_and_a_silent_cache_go_the_long_way(
    market: Market, key: factories.Key, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.grant()
    assert door.get(PACKAGE, key)[0] == "200 OK"
    door.door._mine.__dict__["cursor"].connection.close()
    assert [door.get(PACKAGE, key)[0] for _number in range(2)] == ["599 long way", "200 OK"]
    path, copy = local_path(market.public.blob_id), marked_copy(market.public.blob_id, Grant.objects.get().pk)
    assert path is not None
    assert copy is not None
    kept = path.read_bytes()
    for file in (path, copy):
        file.unlink()
    assert door.get(PACKAGE, key)[0] == "599 long way"
    path.write_bytes(kept)
    assert door.get(PACKAGE, key)[0] == "200 OK"
    monkeypatch.setattr("django.conf.settings.SECURE_SSL_REDIRECT", True)
    assert door.get(PACKAGE, key)[0] == "599 long way"
    assert door.get(PACKAGE, key, HTTP_X_FORWARDED_PROTO="https")[0] == "200 OK"
