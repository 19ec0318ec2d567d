"""What a package's permissions allow its steps, whatever the executor could do."""

from __future__ import annotations

from keiken.errors import KeikenError
from keiken.package.manifest import Permissions, Step
from keiken.replay.actions.base import not_permitted
from keiken.replay.actions.http import split_address
from keiken.replay.state import inside
from keiken.sandbox.egress.rules import covers, is_loopback
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
        return is_loopback(name) or any(covers(pattern, name, port) for pattern in self._network)

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
