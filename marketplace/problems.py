"""Every refusal and every error as RFC 9457 problem+json: a status, a stable code, a sentence, and what to do next."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework import exceptions
from rest_framework.response import Response

from accounts.domain.refusals import NotFound, Refusal, Unauthenticated
from keiken.errors import KeikenError
from marketplace.requests import request_id
from marketplace.throttling import AnonymousThrottle

CONTENT_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)

API_CODES: tuple[tuple[type[exceptions.APIException], str, str], ...] = (
    (
        exceptions.ValidationError,
        "invalid_request",
        gettext_noop("Correct the fields named in 'errors' and send it again."),
    ),
    (
        exceptions.ParseError,
        "malformed_request",
        gettext_noop("Send a well-formed body, or none where none is asked for."),
    ),
    (exceptions.AuthenticationFailed, "authentication_failed", gettext_noop("Sign in again, or send another API key.")),
    (
        exceptions.NotAuthenticated,
        "authentication_required",
        gettext_noop("Sign in, or send 'Authorization: Bearer kk_…'."),
    ),
    (
        exceptions.PermissionDenied,
        "forbidden",
        gettext_noop("Ask an owner of your organization, or act for another one."),
    ),
    (
        exceptions.NotFound,
        "not_found",
        gettext_noop("Check the address, and whether you are signed in for the right organization."),
    ),
    (
        exceptions.MethodNotAllowed,
        "method_not_allowed",
        gettext_noop("Use one of the methods named in the Allow header."),
    ),
    (
        exceptions.NotAcceptable,
        "not_acceptable",
        gettext_noop("Ask for application/json, or leave the Accept header out."),
    ),
    (
        exceptions.UnsupportedMediaType,
        "unsupported_media_type",
        gettext_noop("Use the media type that /api/v1/openapi.json names."),
    ),
    (
        exceptions.Throttled,
        "rate_limited",
        gettext_noop("Wait as long as the Retry-After header says, then try again."),
    ),
)


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    advice: str = "",
    request: Any = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The problem+json body. ``extra`` becomes extension members and never replaces the named ones."""
    body = {
        **(extra or {}),
        "type": f"urn:keiken:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "advice": advice,
    }
    if request is not None:
        body["request_id"] = request_id(request)
    return body


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's hook. None for the unexpected: it stays a bug, is logged, and ``server_error`` answers for it."""
    request = context.get("request")
    if isinstance(error, Unauthenticated | exceptions.AuthenticationFailed) and _guesses_too_often(request):
        error = exceptions.Throttled(wait=60)
    known = _as_problem(error, request)
    if known is None:
        return None
    body, headers = known
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def problem_response(request: HttpRequest, refusal: Refusal) -> JsonResponse:
    """A refusal outside DRF (unknown API addresses, bodies that are too large)."""
    body = problem(
        status=refusal.status,
        code=refusal.code,
        detail=refusal.message,
        advice=refusal.advice,
        request=request,
        extra=refusal.details,
    )
    return JsonResponse(body, status=refusal.status, content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> JsonResponse:
    """A bug of ours: the request id leads to the log; nothing of the exception is told."""
    body = problem(
        status=500,
        code="internal_error",
        detail=_("Something on our side went wrong. It is recorded."),
        advice=_("Try again later. If it stays, tell the operator the request id."),
        request=request,
    )
    return JsonResponse(body, status=500, content_type=CONTENT_TYPE)


def as_refusal(error: Exception) -> Refusal | None:
    """The refusal that an expected exception of Django or of the agent library stands for."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, KeikenError):
        return _Translated(422, error.code, error.message, error.advice, error.details)
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return _Translated(403, "forbidden", _("This is not open to you."), _("Sign in for the right organization."))
    if isinstance(error, RequestDataTooBig):
        return _Translated(413, "body_too_large", _("The request is too large."), _("Send less."))
    if isinstance(error, SuspiciousOperation):
        return _Translated(400, "malformed_request", _("The request cannot be understood."), _("Check what you send."))
    return None


class _Translated(Refusal):
    """A refusal whose status follows from another library's exception."""

    def __init__(
        self, status: int, code: str, message: str, advice: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, advice, details)
        self.status = status  # type: ignore[misc]  # a class constant everywhere else, decided here per exception


def _as_problem(error: Exception, request: Any) -> tuple[dict[str, Any], dict[str, str]] | None:
    refusal = as_refusal(error)
    if refusal is not None:
        body = problem(
            status=refusal.status,
            code=refusal.code,
            detail=refusal.message,
            advice=refusal.advice,
            request=request,
            extra=refusal.details,
        )
        return body, _headers(refusal.status, refusal.details.get("retry_after_seconds"))
    if isinstance(error, exceptions.APIException):
        return _from_api(error, request)
    return None


def _from_api(error: exceptions.APIException, request: Any) -> tuple[dict[str, Any], dict[str, str]]:
    code, advice = next(
        ((code, advice) for kind, code, advice in API_CODES if isinstance(error, kind)),
        ("refused", ""),
    )
    extra: dict[str, Any] = {}
    detail = str(error.detail)
    if isinstance(error, exceptions.ValidationError):
        detail = _("Some of what you sent breaks a rule.")
        extra["errors"] = error.detail if isinstance(error.detail, dict) else {"": error.detail}
    wait = getattr(error, "wait", None)
    body = problem(status=error.status_code, code=code, detail=detail, advice=_(advice), request=request, extra=extra)
    return body, _headers(error.status_code, wait)


def _headers(status: int, wait_seconds: float | None) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="keiken"'
    if wait_seconds is not None:
        headers["Retry-After"] = str(max(1, round(wait_seconds)))
    return headers


def _guesses_too_often(request: Any) -> bool:
    # DRF authenticates before it throttles; without this, guessing keys would cost nothing.
    return request is not None and not AnonymousThrottle().allow_address(request)
