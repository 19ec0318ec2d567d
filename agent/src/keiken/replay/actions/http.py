"""``http``: one request, spoken from outside over a connection made inside the sandbox's network."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.package.manifest import HttpAction, Step
from keiken.replay.actions.base import ActionResult, Job

BODY_LIMIT_BYTES = 1 << 20


class _Connection(http.client.HTTPConnection):
    """Speaks over a socket that is already connected."""

    def __init__(self, host: str, port: int, connected: socket.socket) -> None:
        super().__init__(host, port)
        self.sock = connected


class Http:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        action = _action(step)
        return f"{action.method} {fill(action.url)}"

    def perform(self, step: Step, job: Job) -> ActionResult:
        action = _action(step)
        url = job.fill(action.url)
        try:
            result = _request(action, url, job)
        except (OSError, http.client.HTTPException, ValueError) as error:
            message = _("step '{step}': {url} could not be reached: {why}.").format(step=step.id, url=url, why=error)
            return ActionResult(result={}, problem=KeikenError("not_reached", message))
        return ActionResult(result=result, stdout=str(result["body"]))

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return {"status": 200, "headers": {}, "body": "", "json": None}


def _action(step: Step) -> HttpAction:
    assert step.http is not None
    return step.http


def _request(action: HttpAction, url: str, job: Job) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ValueError(_("only http and https addresses are understood"))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connected = job.sandbox.connect(parts.hostname, port, action.timeout_seconds)
    connected.settimeout(action.timeout_seconds)
    if parts.scheme == "https":
        connected = _tls(action).wrap_socket(connected, server_hostname=parts.hostname)
    connection = _Connection(parts.hostname, port, connected)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "User-Agent": "keiken"}
        headers |= {name: job.fill(value) for name, value in action.headers.items()}
        body = None if action.body is None else job.fill(action.body).encode()
        connection.request(action.method, target, body=body, headers=headers)
        response = connection.getresponse()
        content = response.read(BODY_LIMIT_BYTES + 1)
        if len(content) > BODY_LIMIT_BYTES:
            raise ValueError(_("the answer is larger than 1 MiB"))
        text = content.decode("utf-8", "replace")
        return {
            "status": response.status,
            "headers": {name.lower(): value for name, value in response.getheaders()},
            "body": text,
            "json": _json(text),
        }
    finally:
        connection.close()


def _tls(action: HttpAction) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not action.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
