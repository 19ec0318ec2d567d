"""Calling addresses that strangers chose: resolved once, checked, pinned, bounded in time and size, no redirects.

Whoever chooses the address chooses what its name resolves to, too, and may answer differently the second time (DNS
rebinding); so the connection goes to the very address that was checked, while the certificate is still held against
the name. Nothing of the environment's proxies is used.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from socket import SOCK_STREAM, getaddrinfo
from typing import Any, Protocol

import httpcore

from accounts.domain.addresses import Address, AddressError, Network, Target, is_allowed, is_named, target_of

TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 5.0
READ_BYTES_MAX = 64 << 10
"""Of the whole answer, its head included."""


@dataclass(frozen=True)
class Answer:
    """``status`` None: there was no answer; ``trouble`` is a stable word for why."""

    status: int | None
    trouble: str
    seconds: float


class Caller(Protocol):
    def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer: ...


class GuardedCaller:
    """Posts to public https addresses, and to those (also by http) in the networks that the operator allows."""

    def __init__(self, allowed: Iterable[Network] = (), total_seconds: float = TOTAL_SECONDS) -> None:
        self._allowed = tuple(allowed)
        self._total_seconds = total_seconds

    def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Never raises for what the other side does."""
        start = time.monotonic()
        try:
            status = self._post(url, headers, body, start + self._total_seconds)
        except AddressError as error:
            return Answer(None, f"address_{error}", time.monotonic() - start)
        except httpcore.TimeoutException:
            return Answer(None, "timeout", time.monotonic() - start)
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
            return Answer(None, _word(error), time.monotonic() - start)
        return Answer(status, "" if 200 <= status < 300 else "status", time.monotonic() - start)

    def _post(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> int:
        target = target_of(url)
        address = self.checked_address(target)
        backend = _Pinned(str(address), deadline)
        with httpcore.ConnectionPool(network_backend=backend, max_connections=1) as pool:
            sent = [*headers.items(), ("Content-Type", "application/json"), ("User-Agent", "Keiken-Webhooks/1")]
            with pool.stream("POST", url, headers=sent, content=body) as response:
                # The body is of no interest, and whoever sends one without end only keeps us busy.
                return int(response.status)

    def checked_address(self, target: Target) -> Address:
        """The first address of the host, all of them being allowed.

        Raises AddressError ``unresolved``, ``private`` or ``unencrypted``.
        """
        found = list(_resolved(target))
        if not found:
            raise AddressError("unresolved")
        if not all(is_allowed(address, self._allowed) for address in found):
            raise AddressError("private")
        if target.scheme != "https" and not all(is_named(address, self._allowed) for address in found):
            raise AddressError("unencrypted")
        return found[0]


def _resolved(target: Target) -> Iterable[Address]:
    try:
        rows = getaddrinfo(target.host, target.port, type=SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for row in rows:
        yield ipaddress.ip_address(str(row[4][0]).partition("%")[0])


def _word(error: Exception) -> str:
    """Never the error's own text: it may name what is inside our network."""
    if isinstance(error, httpcore.ConnectError):
        return "tls" if isinstance(error.__cause__, ssl.SSLError) or "SSL" in str(error) else "connection"
    if isinstance(error, ssl.SSLError):
        return "tls"
    return "protocol" if isinstance(error, httpcore.ProtocolError) else "connection"


class _Pinned(httpcore.NetworkBackend):
    """Connects to one address whatever name is asked for, and ends when the time is up."""

    def __init__(self, address: str, deadline: float) -> None:
        self._address = address
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        seconds = min(CONNECT_SECONDS, _left(self._deadline, httpcore.ConnectTimeout))
        return _Bounded(self._plain.connect_tcp(self._address, port, timeout=seconds), self._deadline)


class _Bounded(httpcore.NetworkStream):
    """A stream with one deadline for everything, and an end to what is read."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._read_bytes = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._read_bytes > READ_BYTES_MAX:
            raise httpcore.RemoteProtocolError("the answer is too long")
        data = self._stream.read(max_bytes, timeout=_left(self._deadline, httpcore.ReadTimeout))
        self._read_bytes += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=_left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = _left(self._deadline, httpcore.ConnectTimeout)
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, seconds), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float, error: type[httpcore.TimeoutException]) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise error("the time is up")
    return seconds
