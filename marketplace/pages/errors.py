"""Errors in the same look as everything else; addresses of the API answer with a problem instead."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from accounts.domain.refusals import Forbidden, NotFound, Refusal
from marketplace.problems import as_refusal, problem_response, server_error
from marketplace.requests import is_api, request_id

logger = logging.getLogger(__name__)


def refusal_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal as a page, or as a problem below /api/."""
    if is_api(request):
        return problem_response(request, refusal)
    return render(request, "marketplace/error.html", _context(request, refusal), status=refusal.status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    refusal = as_refusal(exception) or Refusal(
        "malformed_request", _("The request cannot be understood."), _("Go back and try again.")
    )
    if type(exception).__name__ == "DisallowedHost":
        # The page's links would be built from the very host name that is refused.
        return HttpResponse(refusal.message, status=400, content_type="text/plain; charset=utf-8")
    return refusal_page(request, refusal)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal_page(
        request,
        Forbidden("forbidden", _("This is not open to you."), _("Sign in for the organization that may see it.")),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal_page(request, NotFound())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return refusal_page(
        request,
        Forbidden(
            "form_expired",
            _("This form was not sent from a page of ours, or its page was open for too long."),
            _("Go back, load the page again, and send the form once more. Cookies must be allowed."),
        ),
    )


def internal_error(request: HttpRequest) -> HttpResponse:
    """Drawn without the request: whatever failed may fail again (the database, the session)."""
    logger.error("request %s of %s failed", request_id(request), request.path)
    if is_api(request):
        return server_error(request)
    refusal = Refusal(
        "internal_error",
        _("Something on our side went wrong. It is recorded."),
        _("Try again later. If it stays, tell the operator the request id."),
    )
    context = {**_context(request, refusal), "status": 500, "offer_sign_in": False}
    return HttpResponse(render_to_string("marketplace/error.html", context), status=500)


def _context(request: HttpRequest, refusal: Refusal) -> dict[str, Any]:
    titles = {
        400: _("That did not work"),
        401: _("Please sign in"),
        403: _("Not allowed"),
        404: _("Not found"),
        409: _("It does not go together"),
        429: _("Too many requests"),
        500: _("Our mistake"),
    }
    user = getattr(request, "user", None)
    return {
        "status": refusal.status,
        "code": refusal.code,
        "title": titles.get(refusal.status, _("That did not work")),
        "message": refusal.message,
        "advice": refusal.advice,
        "request_id": request_id(request),
        "offer_sign_in": refusal.status in (401, 403, 404) and not (user and user.is_authenticated),
    }
