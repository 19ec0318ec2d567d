"""Evaluating checks in a child process that can be killed, over a state that only the parent can see."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

from keiken.checks.child import Child, ChildGone
from keiken.checks.explain import explain
from keiken.checks.frames import FrameError
from keiken.checks.language import lint
from keiken.checks.tokens import CheckError, tokens
from keiken.checks.wording import plain
from keiken.i18n import _

CPU_SECONDS = 1.0
"""What one expression may use of the processor. Not the wall clock: a verdict must not depend on what else runs."""
WALL_FACTOR = 10
"""The wall limit, as a multiple of the processor limit, for a child that is stopped rather than busy."""
QUESTIONS_LIMIT = 2_000
ANSWERED_BYTES_LIMIT = 64 << 20


class StateAccess(Protocol):
    """What checks can see of the job: read from outside, never following links.

    Each may raise ValueError with a sentence for a person.
    """

    def file(self, path: str) -> dict[str, Any]:
        """``exists, kind, size, mode``, and where it can be read ``sha256`` and ``bytes``."""
        ...

    def files(self, pattern: str) -> list[str]: ...

    def port(self, number: int) -> dict[str, Any]:
        """``{"open": bool}``."""
        ...


class Evaluator:
    """``with Evaluator(state) as evaluator``; starts its child when it is first needed. For one thread at a time."""

    def __init__(self, state: StateAccess, *, cpu_seconds: float = CPU_SECONDS) -> None:
        self._state = state
        self._cpu_seconds = cpu_seconds
        self._child: Child | None = None
        self._answers: dict[tuple[str, Any], dict[str, Any]] = {}
        self._answered_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def look_at(self, state: StateAccess) -> None:
        """From now on over another state, with the same child: two runs of one scenario need not start two."""
        self._state = state
        self._answers, self._answered_bytes = {}, 0

    def warm_up(self) -> None:
        """Start the child now, while there is something else to wait for."""
        if self._child is None:
            self._child = Child()

    def evaluate(self, expression: str, bindings: Mapping[str, Any]) -> Any:
        """The value as JSON (bytes stay bytes, times become text). Raises CheckError, also when it takes too long."""
        self._answers, self._answered_bytes = {}, 0
        return self._evaluate(expression, bindings)

    def explain(self, expression: str, bindings: Mapping[str, Any], show: Callable[[Any], str] | None = None) -> str:
        """Why a check does not hold, over the same state that was looked at when it was evaluated last.

        ``show`` makes text of a value; it is where secrets are masked before anything is cut.
        """
        return explain(expression, lambda part: self._evaluate(part, bindings), show)

    def values(self, parts: Sequence[str], bindings: Mapping[str, Any]) -> dict[str, Any]:
        """The values of parts of the expression that was evaluated last, over the same state; never raises CheckError.

        A part without a value, because it was never reached or is too large, is left out. All are asked for at once,
        and one by one only where that fails.
        """
        if not parts:
            return {}
        try:
            return dict(zip(parts, self._evaluate(f"[{', '.join(parts)}]", bindings), strict=True))
        except CheckError:
            pass
        found = {}
        for part in parts if len(parts) > 1 else ():
            with contextlib.suppress(CheckError):
                found[part] = self._evaluate(part, bindings)
        return found

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _evaluate(self, expression: str, bindings: Mapping[str, Any]) -> Any:
        lint(expression)
        names = {token.text.strip("'\"") for token in tokens(expression) if token.kind in ("name", "string")}
        request = {
            "expression": expression,
            "names": sorted(names),
            "bindings": {name: value for name, value in bindings.items() if name in names},
            "cpu_seconds": self._cpu_seconds,
        }
        try:
            return self._converse(expression, request)
        except ChildGone as error:
            if not error.used_up:
                # Somebody else ended it: that proves nothing about the expression.
                try:
                    return self._converse(expression, request)
                except ChildGone as again:
                    error = again
            raise self._too_expensive(expression) from error
        except FrameError as error:
            raise CheckError(
                "check_failed", _("'{expression}': {why}.").format(expression=expression, why=error)
            ) from None

    def _converse(self, expression: str, request: dict[str, Any]) -> Any:
        if self._child is None or not self._child.is_alive:
            self.close()
            self._child = Child()
        seconds = self._cpu_seconds * WALL_FACTOR
        try:
            self._child.send(request, seconds)
            while "ask" in (message := self._child.receive(seconds)):
                self._child.send(self._answer(message), seconds)
        except ChildGone:
            self.close()
            raise
        if "error" in message:
            raise CheckError(
                "check_failed",
                _("'{expression}': {why}.").format(
                    expression=expression, why=plain(message["error"], self._answers).rstrip(".")
                ),
            )
        return message["value"]

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the state says, the same for the same question during one check."""
        what, argument = message["ask"], message["argument"]
        key = (what, repr(argument))
        if key not in self._answers:
            if len(self._answers) >= QUESTIONS_LIMIT or self._answered_bytes > ANSWERED_BYTES_LIMIT:
                return {"error": _("it looks at too many files")}
            answer = self._looked_up(what, argument)
            if isinstance(answer.get("value"), dict) and not message["with_content"]:
                # What is kept here is bounded, and a check that only asks for sizes may ask for thousands of files.
                answer["value"].pop("bytes", None)
            self._answered_bytes += _content_bytes(answer)
            self._answers[key] = answer
        return self._answers[key]

    def _looked_up(self, what: str, argument: Any) -> dict[str, Any]:
        try:
            if what == "file" and isinstance(argument, str):
                return {"value": dict(self._state.file(argument))}
            if what == "files" and isinstance(argument, str):
                return {"value": self._state.files(argument)}
            if what == "port" and isinstance(argument, int) and not isinstance(argument, bool):
                return {"value": self._state.port(argument)}
        except (ValueError, OSError) as error:
            return {"error": str(error)}
        wanted = _("a number") if what == "port" else _("text")
        return {"error": _("{function}() takes {kind}").format(function=what, kind=wanted)}

    def _too_expensive(self, expression: str) -> CheckError:
        return CheckError(
            "check_too_expensive",
            _("'{expression}' took too long or too much memory.").format(expression=expression),
            _("Look at fewer lines, or let a step write what the check then reads."),
        )


def _content_bytes(answer: Mapping[str, Any]) -> int:
    value = answer.get("value")
    return len(value.get("bytes", b"")) if isinstance(value, dict) else 0
