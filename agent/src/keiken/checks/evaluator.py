"""Evaluating checks in a child process that can be killed, over a state that only the parent can see."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from keiken.checks.language import CheckError, comparison, conjuncts, lint
from keiken.checks.worker import read_frame, write_frame
from keiken.i18n import _

WALL_SECONDS = 2.0
_SOURCE = Path(__file__).resolve().parents[2]


class StateAccess(Protocol):
    """What checks can see of the job: read from outside, never following links."""

    def file(self, path: str) -> dict[str, Any]: ...

    def files(self, pattern: str) -> list[str]: ...

    def port(self, number: int) -> dict[str, Any]: ...


class Evaluator:
    """``with Evaluator(state) as evaluator``; starts its child when it is first needed."""

    def __init__(self, state: StateAccess, *, wall_seconds: float = WALL_SECONDS) -> None:
        self._state = state
        self._wall_seconds = wall_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def evaluate(self, expression: str, bindings: Mapping[str, Any]) -> Any:
        """The value as JSON (bytes stay bytes). Raises CheckError, also when it takes too long."""
        lint(expression)
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            write_frame(child.stdin.fileno(), {"expression": expression, "bindings": dict(bindings)})
            return self._converse(expression, child.stdin.fileno(), child.stdout.fileno())
        except BrokenPipeError:
            self.close()
            raise self._too_expensive(expression) from None

    def explain(self, expression: str, bindings: Mapping[str, Any]) -> str:
        """Why a check does not hold: the first part that is false, with the values it compared."""
        for part in conjuncts(expression):
            with contextlib.suppress(CheckError):
                if self.evaluate(part, bindings) is True:
                    continue
                if sides := comparison(part):
                    left = _shown(self.evaluate(sides[0], bindings))
                    right = _shown(self.evaluate(sides[2], bindings))
                    return f"{part}: {left} {sides[1]} {right}"
            return part
        return expression

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        code = f"import sys; sys.path.insert(0, {str(_SOURCE)!r}); from keiken.checks.worker import main; main()"
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-c", code],
            env={"LANG": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._child.stdout is not None
        # Starting is our own time, not the expression's.
        read_frame(self._child.stdout.fileno())
        return self._child

    def _converse(self, expression: str, to_child: int, from_child: int) -> Any:
        deadline = time.monotonic() + self._wall_seconds
        while True:
            ready, _w, _x = select.select([from_child], [], [], max(0.0, deadline - time.monotonic()))
            message = read_frame(from_child) if ready else None
            if message is None:
                self.close()
                raise self._too_expensive(expression)
            if "ask" in message:
                write_frame(to_child, self._answer(message["ask"], message["argument"]))
            elif "error" in message:
                raise CheckError(
                    "check_failed",
                    _("'{expression}': {why}").format(expression=expression, why=_plain(message["error"])),
                )
            else:
                return message["value"]

    def _answer(self, what: str, argument: Any) -> dict[str, Any]:
        try:
            if what == "file" and isinstance(argument, str):
                return {"value": self._state.file(argument)}
            if what == "files" and isinstance(argument, str):
                return {"value": self._state.files(argument)}
            if what == "port" and isinstance(argument, int):
                return {"value": self._state.port(argument)}
        except (ValueError, OSError) as error:
            return {"error": str(error)}
        return {"error": f"{what}() cannot take {argument!r}"}

    def _too_expensive(self, expression: str) -> CheckError:
        return CheckError(
            "check_too_expensive",
            _("'{expression}' took too long or too much memory.").format(expression=expression),
            _("Look at fewer lines, or let a step write what the check then reads."),
        )


def _plain(error: str) -> str:
    kind, _colon, text = error.partition(": ")
    if kind == "KeyError":
        return _("there is no {name}").format(name=text)
    return text.split("\n")[0].split(" Check ")[0]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
