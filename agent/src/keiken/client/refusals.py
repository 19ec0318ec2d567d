"""What a marketplace's answer other than success means: a refusal to act on, or trouble to wait out."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from keiken.errors import KeikenError, Refused
from keiken.i18n import _

NAMED = {"type", "title", "status", "detail", "code", "advice"}
TEXT_LIMIT = 1_000


class ServerRefusal(Refused):
    """The marketplace said no, in its own words; ``details`` has ``status`` and what else came along."""


class ServerTrouble(KeikenError):
    """The marketplace could not be reached, or did not answer as one does. Nobody's refusal; trying later may help."""


def from_answer(server: str, status: int, body: Any) -> KeikenError:
    """The error for an answer with ``status`` of 300 or more and its JSON ``body`` (None where it had none)."""
    problem: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    if status >= 500:
        return _trouble(server, status, problem)
    if status < 400:
        return ServerTrouble(
            "server_moved",
            _("{server} answers that it is to be found elsewhere.").format(server=server),
            _("Sign in with its present address: 'keiken login --server …'."),
            {"status": status},
        )
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    details = {str(key): value for key, value in problem.items() if key not in NAMED}
    return ServerRefusal(
        _text(problem.get("code")) or f"http_{status}",
        _text(problem.get("detail"))
        or _("{server} refused: {status} {phrase}.").format(server=server, status=status, phrase=phrase),
        _text(problem.get("advice")) or _advice(status),
        {**details, "status": status},
    )


def _trouble(server: str, status: int, problem: Mapping[str, Any]) -> ServerTrouble:
    details: dict[str, Any] = {"status": status}
    if problem.get("request_id"):
        details["request_id"] = _text(problem["request_id"])
    return ServerTrouble(
        "server_error",
        _("{server} has trouble of its own (status {status}).").format(server=server, status=status),
        _("Try again in a while. If it stays, tell its operators the request id."),
        details,
    )


def _advice(status: int) -> str:
    if status == 401:
        return _("Sign in with a valid key: 'keiken login'.")
    if status == 429:
        return _("Wait a minute, then try again.")
    return _("Check the address of the marketplace: 'keiken login --server …'.")


def _text(value: Any) -> str:
    return value[:TEXT_LIMIT] if isinstance(value, str) else ""


def unreachable(server: str, why: str) -> ServerTrouble:
    return ServerTrouble(
        "server_unreachable",
        _("{server} cannot be reached: {why}.").format(server=server, why=why.rstrip(".") or _("no connection")),
        _("Check the network and the address. What was pulled before can be used without it."),
    )


def strange_answer(server: str, why: str) -> ServerTrouble:
    return ServerTrouble(
        "server_answer_malformed",
        _("{server} does not answer as a Keiken marketplace does: {why}.").format(server=server, why=why.rstrip(".")),
        _("Check the address, and whether this keiken is too old for it."),
    )
