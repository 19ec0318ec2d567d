"""One way to speak with a marketplace: bounded in time and size, retried only where that is harmless."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from keiken import __version__
from keiken.client.references import is_loopback
from keiken.client.refusals import from_answer, strange_answer, unreachable
from keiken.i18n import _, language

ANSWER_BYTES_LIMIT = 16 << 20
ANSWER_SECONDS = 60
"""For a whole answer; a server that sends a byte now and then must not hold an agent for ever."""
RETRY_DELAYS_SECONDS = (0.2, 1.0)
RETRIED_STATUSES = frozenset({429, 502, 503, 504})
RETRY_AFTER_LIMIT_SECONDS = 5.0
TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Connection:
    """``server`` is an address in the form of ``references.server_address``."""

    def __init__(self, server: str, api_key: str = "", transport: httpx.BaseTransport | None = None) -> None:
        self.server = server
        headers = {"User-Agent": f"keiken/{__version__}", "Accept": "application/json", "Accept-Language": language()}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        try:
            self._http = httpx.Client(
                base_url=f"{server}/api/v1/",
                headers=headers,
                timeout=TIMEOUT,
                transport=transport,
                verify=_trusted(server),
                # A proxy of the environment leads nowhere near this machine's own loopback.
                trust_env=not is_loopback(server),
            )
        except (ValueError, ImportError, OSError) as error:
            why = _("the proxy or the certificates that the environment names cannot be used ({why})")
            raise unreachable(server, why.format(why=error)) from error

    def close(self) -> None:
        self._http.close()

    def json(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """Status and parsed body of a success. Raises ServerRefusal and ServerTrouble."""
        with self.open(method, path, **request) as response:
            return response.status_code, self._parsed(response)

    @contextlib.contextmanager
    def open(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """A successful (or 304) answer whose body is still to be read. Raises ServerRefusal and ServerTrouble."""
        delays = RETRY_DELAYS_SECONDS if method == "GET" else ()
        try:
            response = self._send(method, path, delays, request)
            try:
                if response.status_code >= 300 and response.status_code != 304:
                    raise from_answer(self.server, response.status_code, self._body_of_refusal(response))
                yield response
            finally:
                response.close()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise unreachable(self.server, _why(error)) from error

    def _send(self, method: str, path: str, delays: tuple[float, ...], request: Mapping[str, Any]) -> httpx.Response:
        follow = bool(request.get("follow_redirects"))
        options = {key: value for key, value in request.items() if key != "follow_redirects"}
        for delay in (*delays, None):
            try:
                built = self._http.build_request(method, path, **options)
                response = self._http.send(built, stream=True, follow_redirects=follow)
            except httpx.TransportError:
                if delay is None:
                    raise
            else:
                wait = _wait(response, delay)
                if wait is None:
                    return response
                response.close()
                delay = wait
            time.sleep(delay)
        raise AssertionError("the last try returns or raises")

    def _parsed(self, response: httpx.Response) -> Any:
        if response.status_code == 204:
            return None
        content = self._read(response)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise strange_answer(self.server, _("its answer is no JSON")) from None

    def _body_of_refusal(self, response: httpx.Response) -> Any:
        """The problem, or None where a proxy or another kind of server answered."""
        with contextlib.suppress(ValueError, RecursionError, httpx.HTTPError):
            return json.loads(self._read(response))
        return None

    def _read(self, response: httpx.Response) -> bytes:
        content = bytearray()
        deadline = time.monotonic() + ANSWER_SECONDS
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > ANSWER_BYTES_LIMIT:
                raise strange_answer(self.server, _("its answer is larger than 16 MiB"))
            if time.monotonic() > deadline:
                raise unreachable(self.server, _("its answer took longer than {n} s").format(n=ANSWER_SECONDS))
        return bytes(content)


def _trusted(server: str) -> ssl.SSLContext | bool:
    """Whose certificates are believed. Reading them takes longer than most requests, so it is done once if at all."""
    if not is_loopback(server):
        return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    return server.startswith("https:") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@functools.cache
def _certificates(*_named: str | None) -> ssl.SSLContext:
    """Those that the environment names, else those of certifi."""
    return httpx.create_ssl_context()


def _wait(response: httpx.Response, delay: float | None) -> float | None:
    """How long to wait before the next try; None when this answer is to be taken."""
    if delay is None or response.status_code not in RETRIED_STATUSES:
        return None
    asked = response.headers.get("Retry-After", "")
    if not asked.isdecimal():
        return None if response.status_code == 429 else delay
    return float(asked) if float(asked) <= RETRY_AFTER_LIMIT_SECONDS else None


def _why(error: Exception) -> str:
    """In plain words; httpx's own texts are for programmers."""
    if isinstance(error, httpx.ConnectTimeout):
        return _("it does not answer within {n:g} s").format(n=TIMEOUT.connect)
    if isinstance(error, httpx.TimeoutException):
        return _("it took longer than {n:g} s").format(n=TIMEOUT.read)
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError | httpx.StreamError):
        return _("the connection broke")
    return str(error)
