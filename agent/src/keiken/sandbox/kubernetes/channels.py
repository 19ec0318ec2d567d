"""One command in a container, over the API's WebSocket: standard streams as numbered channels, protocol version 5.

The first byte of a message is its channel; ``255`` closes the one named next (KEP-4006), which version 4 could not.
The status on channel 3 comes from the cluster, not from the container.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Self
from urllib.parse import quote, urlencode

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.sandbox.kubernetes.api import Api, no_client, refusal

PROTOCOL = "v5.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
_PIECE = 32_768
_MOST_MESSAGE_BYTES = 32 << 20


class ExecutionLost(Exception):
    """The connection ended before the cluster told how the command did."""


class Execution:
    """A command under way. ``status`` is the cluster's word once there is one."""

    def __init__(self, connection: Any, stack: contextlib.ExitStack) -> None:
        self._connection, self._stack = connection, stack
        self.status: Mapping[str, Any] | None = None

    @classmethod
    def start(cls, api: Api, pod: str, container: str, argv: Sequence[str], *, stdin: bool = True) -> Self:
        """Raises SandboxUnavailable. Arguments stand in the cluster's audit log: nothing of a package goes there."""
        try:
            from websockets.exceptions import InvalidHandshake, InvalidStatus
            from websockets.sync.client import connect
            from websockets.typing import Subprotocol
        except ImportError:
            raise no_client() from None
        query = [("container", container), ("stdin", str(stdin).lower()), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in argv]
        url = f"{api.pods_url}/{quote(pod)}/exec?{urlencode(query)}"
        stack = contextlib.ExitStack()
        try:
            manager = connect(
                "ws" + url.removeprefix("http"),
                subprotocols=[Subprotocol(PROTOCOL)],
                additional_headers=api.headers(),
                ssl=api.tls if url.startswith("https:") else None,
                max_size=_MOST_MESSAGE_BYTES,
                open_timeout=30,
                proxy=None,
                compression=None,
                user_agent_header="keiken",
            )
            connection = stack.enter_context(manager)
        except InvalidStatus as refused:
            raise refusal(refused.response.status_code, refused.response.body or b"") from refused
        except (InvalidHandshake, OSError, ssl.SSLError, TimeoutError) as trouble:
            raise SandboxUnavailable(
                "kubernetes_unreachable",
                _("The cluster's API does not let a command be started: {why}").format(why=trouble),
                _("It must speak {protocol} (Kubernetes 1.30 or newer).").format(protocol=PROTOCOL),
            ) from trouble
        return cls(connection, stack)

    def send(self, content: bytes) -> None:
        """Raises ExecutionLost."""
        from websockets.exceptions import ConnectionClosed

        try:
            for start in range(0, len(content), _PIECE):
                self._connection.send(bytes([STDIN]) + content[start : start + _PIECE])
        except (ConnectionClosed, OSError) as trouble:
            raise ExecutionLost(str(trouble)) from trouble

    def end_input(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            self._connection.send(bytes([CLOSE, STDIN]))
        except (ConnectionClosed, OSError) as trouble:
            raise ExecutionLost(str(trouble)) from trouble

    def receive(self, seconds: float | None) -> tuple[int, bytes] | None:
        """(channel, bytes) of the next message; None at the end. Raises TimeoutError, ExecutionLost."""
        from websockets.exceptions import ConnectionClosed

        while True:
            try:
                message = self._connection.recv(timeout=seconds)
            except ConnectionClosed as closed:
                if self.status is None:
                    raise ExecutionLost(str(closed)) from closed
                return None
            data = message.encode() if isinstance(message, str) else message
            if not data or data[0] == CLOSE:
                continue
            if data[0] == STATUS:
                self.status = _status(data[1:])
                continue
            return data[0], data[1:]

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def run(api: Api, pod: str, container: str, argv: Sequence[str], stdin: bytes = b"", seconds: float = 60) -> str:
    """Carry one command of our own out; what it complained of, empty when it ended well. Raises SandboxUnavailable,
    ExecutionLost.
    """
    said = b""
    with Execution.start(api, pod, container, argv, stdin=bool(stdin)) as execution:
        if stdin:
            execution.send(stdin)
            execution.end_input()
        while (received := execution.receive(seconds)) is not None:
            said += received[1][:4000]
        ended_well = (execution.status or {}).get("status") == "Success"
    return "" if ended_well else said[-1000:].decode(errors="replace") or str((execution.status or {}).get("message"))


def _status(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}
