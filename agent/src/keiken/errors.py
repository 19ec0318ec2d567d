"""The refusals of the agent library: each has a stable code and says what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class KeikenError(Exception):
    """An expected refusal or trouble that a person or a program can act on.

    ``code`` is stable and machine-readable (lower snake case), ``message`` one sentence on what
    is wrong (naming the file, line, step or condition), ``advice`` one sentence on what to do next,
    ``details`` JSON-ready facts. ``exit_code`` is what the command line ends with.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        code: str,
        message: str,
        advice: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.advice = advice
        self.details: dict[str, Any] = dict(details or {})

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape shown by ``--json``, in reports and in problem+json bodies."""
        return {
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "details": self.details,
        }


class UsageError(KeikenError):
    """The call itself is wrong: a missing argument, an unknown file, no login."""

    exit_code = 1


class PackageError(KeikenError):
    """The package breaks a rule of the format; ``details`` holds ``file``, ``line`` and ``rule``."""

    exit_code = 3

    def __init__(
        self,
        code: str,
        message: str,
        *,
        file: str = "",
        line: int | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(code, message, advice, {"file": file, "line": line, "rule": code})


class Refused(KeikenError):
    """Nothing was touched: conditions, parameters, license, permissions or sandbox are not met."""

    exit_code = 3


class Diverged(KeikenError):
    """A check failed during a replay: it stopped there and nothing later ran."""

    exit_code = 4


class Failed(KeikenError):
    """An action could not be carried out."""

    exit_code = 5


class SandboxUnavailable(Refused):
    """No sandbox works on this machine, so nothing may run; the advice says what to install."""


class TrustError(Refused):
    """A signature, digest, key or statement does not verify."""
