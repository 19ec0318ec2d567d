"""What every answer carries: a strict content policy, a request id; and what no request may exceed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.domain.refusals import Refusal, TooLarge
from marketplace.pages.errors import refusal_page
from marketplace.requests import is_api, request_id

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # data: is for the QR code of two-step sign-in, which allauth draws into an <img>.
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
PERMISSIONS_POLICY: Final = ", ".join(
    f"{feature}=()"
    for feature in ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
)


FORM_MAX_BYTES: Final = 1 << 16
"""What a form on a page may have around an uploaded package."""
COMPRESSED: Final = ("text/", "image/svg+xml", "application/xml", "application/atom+xml", "application/json")


class SecurityHeaders:
    """Sets the headers on every answer and refuses bodies above the upload limit before they are read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._refuse_large(request) or self._refuse_nul(request) or self.get_response(request)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers["X-Request-Id"] = request_id(request)
        if is_api(request):
            headers.setdefault("Cache-Control", "no-store")
        return response

    @staticmethod
    def _refuse_nul(request: HttpRequest) -> HttpResponse | None:
        # PostgreSQL keeps no NUL in texts; without this each look-up would have to think of it.
        if "\x00" not in request.path and "%00" not in request.META.get("QUERY_STRING", ""):
            return None
        return refusal_page(
            request,
            Refusal("malformed_request", _("The address contains the character NUL."), _("Leave it out.")),
        )

    @staticmethod
    def _refuse_large(request: HttpRequest) -> HttpResponse | None:
        # WSGI hands over at most Content-Length bytes, so the declared length bounds what is read.
        declared = str(request.META.get("CONTENT_LENGTH") or "0")
        limit = settings.KEIKEN.upload_max_bytes + (0 if is_api(request) else FORM_MAX_BYTES)
        if not declared.isdecimal() or int(declared) <= limit:
            return None
        return refusal_page(
            request,
            TooLarge(
                "body_too_large",
                _("The request has {size} bytes; at most {limit} are taken.").format(size=declared, limit=limit),
                _("Leave out of the package what a replay does not need, above all recordings in trace/."),
                {"limit_bytes": limit},
            ),
        )


class CompressPages(GZipMiddleware):
    """Compresses pages and feeds, not the API: archives are compressed, and what is small there stays quick.

    Django pads compressed pages by a random length, so that their size tells nothing of a secret beside what a
    request put there (BREACH).
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if is_api(request) or not response.headers.get("Content-Type", "").startswith(COMPRESSED):
            return response
        return super().process_response(request, response)


class LanguageOfAddress(LocaleMiddleware):
    """``?lang=ja`` shows this one page in Japanese, so that each language of it has an address of its own."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        wanted = request.GET.get("lang", "")
        if wanted in dict(settings.LANGUAGES):
            translation.activate(wanted)
            request.LANGUAGE_CODE = wanted
