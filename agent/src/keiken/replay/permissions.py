"""What a package's permissions allow its steps, whatever the executor could do."""

from __future__ import annotations

import ipaddress

from keiken.errors import KeikenError
from keiken.package.manifest import Permissions, Step
from keiken.replay.actions.base import not_permitted
from keiken.replay.actions.http import split_address
from keiken.replay.state import inside
from keiken.sandbox.patterns import matches

DEFAULT_WRITE = ["work/**"]


class Allowance:
    """Answers before each action; the sandbox enforces on its own what goes on inside it."""

    def __init__(self, permissions: Permissions) -> None:
        self._commands = set(permissions.commands)
        self._write = permissions.write or DEFAULT_WRITE
        self._network = [pattern.lower() for pattern in permissions.network]

    def may_run(self, command: str) -> bool:
        return command in self._commands

    def may_write(self, path: str) -> bool:
        try:
            return inside(path) == path and any(matches(pattern, path) for pattern in self._write)
        except ValueError:
            return False

    def may_connect(self, host: str, port: int) -> bool:
        """Loopback always: it is the sandbox's own. Anything else only where declared as ``host:port``."""
        name = host.strip("[]").rstrip(".").lower()
        return is_loopback(name) or any(_covers(pattern, name, port) for pattern in self._network)

    def problem_with(self, step: Step) -> KeikenError | None:
        """What can be seen to be forbidden before the first step, as an error; values are not known yet."""
        if step.run and "${{" not in step.run[0] and not self.may_run(step.run[0]):
            return not_permitted("permission_missing", step, step.run[0])
        if step.file and "${{" not in step.file.path and not self.may_write(step.file.path):
            return not_permitted("permission_missing", step, step.file.path)
        if step.http and "${{" not in step.http.url:
            try:
                parts, port = split_address(step.http.url)
            except ValueError:
                return not_permitted("permission_missing", step, step.http.url)
            if not self.may_connect(parts.hostname or "", port):
                return not_permitted("permission_missing", step, f"{parts.hostname}:{port}")
        return None


def _covers(pattern: str, host: str, port: int) -> bool:
    """``host:port``, ``*.domain:port`` or ``host:*``; an IPv6 address stands in brackets."""
    named, _colon, allowed = pattern.rpartition(":")
    if allowed not in ("*", str(port)):
        return False
    named = named.strip("[]")
    return host == named or (named.startswith("*.") and host.endswith(named[1:]) and host != named[1:])


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
