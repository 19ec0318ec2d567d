"""The server's refusals: an HTTP status, a stable code, a sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.translation import gettext as _


class Refusal(Exception):
    """An expected refusal. Interfaces render it; nothing else catches it.

    ``code`` is stable lower snake case; ``message`` and ``advice`` are one plain sentence each;
    ``details`` is JSON-ready and becomes extension members of the problem+json body.
    """

    status: ClassVar[int] = 400

    def __init__(self, code: str, message: str, advice: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.advice = advice
        self.details: dict[str, Any] = dict(details or {})


class Unauthenticated(Refusal):
    """No key, or one that is unknown, expired or revoked."""

    status = 401


class PaymentRequired(Refusal):
    status = 402


class Forbidden(Refusal):
    """The actor may see the thing but not do this with it."""

    status = 403


class NotFound(Refusal):
    """Absent, or not for this actor to see: the words are the same on purpose."""

    status = 404

    def __init__(self, what: str = "") -> None:
        super().__init__(
            "not_found",
            _("There is no {what} here, or it is not open to you.").format(what=what or _("such thing")),
            _("Check the name, and whether you are signed in for the right organization."),
        )


class Hidden(NotFound):
    """It was open to the actor until moderation hid it: as good as absent, and the actor may know why."""

    def __init__(self, code: str, message: str, advice: str, details: Mapping[str, Any]) -> None:
        Refusal.__init__(self, code, message, advice, details)


class Conflict(Refusal):
    status = 409


class TooLarge(Refusal):
    status = 413


class Invalid(Refusal):
    """The content breaks a rule; ``details`` names the file, the line and the rule where there is one."""

    status = 422


class TooManyRequests(Refusal):
    status = 429


class Unavailable(Refusal):
    status = 503
