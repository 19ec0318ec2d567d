"""``http``: one request, spoken from outside over a connection made inside the sandbox's network.

Redirects are not followed: where the answer points to is for a check, or for the next step, to judge.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.package.manifest import HttpAction, Step
from keiken.replay.actions.base import ActionResult, Job, refused
from keiken.sandbox.egress.owner import ConnectionDenied

BODY_LIMIT_BYTES = 1 << 20
_EMPTY = {"status": 0, "headers": {}, "body": "", "json": None}


class _Connection(http.client.HTTPConnection):
    """Speaks over a socket that is already connected."""

    def __init__(self, host: str, port: int, connected: socket.socket) -> None:
        super().__init__(host, port)
        self.sock = connected


class Http:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        action = _action(step)
        return f"{action.method} {fill(action.url)}"

    def words(self, step: Step, fill: Callable[[str], str]) -> list[str]:
        return [_action(step).method, fill(_action(step).url)]

    def perform(self, step: Step, job: Job) -> ActionResult:
        action = _action(step)
        url = job.fill(action.url)
        headers = {name: job.fill(value) for name, value in action.headers.items()}
        body = None if action.body is None else job.fill(action.body).encode()
        try:
            parts, port = split_address(url)
            assert parts.hostname is not None
            if not job.may_connect(parts.hostname, port):
                return refused("network_not_permitted", step, f"{parts.hostname}:{port}")
            result = _request(action, parts, port, headers, body, job)
        except ConnectionDenied as denied:
            why = _("{url} is not reached from a sandbox: {why}").format(url=url, why=denied)
            return _problem(step, "network_not_permitted", why)
        except TimeoutError:
            why = _("{url} did not answer within {n:g} s").format(url=url, n=action.timeout_seconds)
            return _problem(step, "timeout", why)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = _("{url} could not be reached: {why}").format(url=url, why=error or type(error).__name__)
            return _problem(step, "not_reached", why)
        return ActionResult(result=result, stdout=str(result["body"]))

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return {**_EMPTY, "status": 200, "error": ""}


def _action(step: Step) -> HttpAction:
    assert step.http is not None
    return step.http


def _problem(step: Step, code: str, why: str) -> ActionResult:
    problem = KeikenError(
        code,
        _("Step '{step}': {why}.").format(step=step.id, why=why),
        _("See whether the service runs; a retry helps where it needs a moment to start."),
    )
    return ActionResult(result={**_EMPTY, "error": code}, problem=problem)


def split_address(url: str) -> tuple[SplitResult, int]:
    """The parts of an address and its port. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_("only http and https addresses are understood"))
    if parts.username is not None or parts.password is not None:
        raise ValueError(_("an address holds no name and password; send a header instead"))
    return parts, parts.port or (443 if parts.scheme == "https" else 80)


def _request(
    action: HttpAction, parts: SplitResult, port: int, headers: Mapping[str, str], body: bytes | None, job: Job
) -> dict[str, Any]:
    seconds = max(0.001, min(action.timeout_seconds, job.seconds_left))
    host = parts.hostname or ""
    connected = job.sandbox.connect(host, port, seconds)
    with connected, _ended_after(connected, seconds) as is_over:
        try:
            connected.settimeout(seconds)
            spoken = _tls(action).wrap_socket(connected, server_hostname=host) if parts.scheme == "https" else connected
            connection = _Connection(host, port, spoken)
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                named = {"Host": parts.netloc, "User-Agent": "keiken", "Connection": "close"} | dict(headers)
                connection.request(action.method, target, body=body, headers=named)
                answer = _answer(connection.getresponse(), has_body=action.method != "HEAD")
                if is_over():
                    raise TimeoutError
                return answer
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            if is_over():
                raise TimeoutError from None
            raise


@contextlib.contextmanager
def _ended_after(connected: socket.socket, seconds: float) -> Iterator[Callable[[], bool]]:
    """Shut the connection when the time is over: a peer that sends a byte now and then must not hold us for ever."""
    is_over = threading.Event()
    twin = socket.socket(fileno=os.dup(connected.fileno()))

    def end() -> None:
        is_over.set()
        with contextlib.suppress(OSError):
            twin.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_over.is_set
    finally:
        timer.cancel()
        timer.join()
        twin.close()


def _answer(response: http.client.HTTPResponse, *, has_body: bool) -> dict[str, Any]:
    content = response.read(BODY_LIMIT_BYTES + 1)
    if len(content) > BODY_LIMIT_BYTES:
        raise ValueError(_("the answer is larger than 1 MiB"))
    if has_body and response.length:
        raise ValueError(_("the answer ended before its announced length"))
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    text = content.decode("utf-8", "replace")
    return {"status": response.status, "headers": headers, "body": text, "json": _json(text), "error": ""}


def _tls(action: HttpAction) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not action.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _json(text: str) -> Any:
    def refuse(_word: str) -> Any:
        raise ValueError("not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
