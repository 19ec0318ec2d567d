"""How API requests say who they are: a key in the Authorization header, or a page's session with its CSRF token."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from accounts.access import key_actor, session_actor
from accounts.actors import Actor
from accounts.domain.refusals import Unauthenticated


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer kk_…``. A request that sends the header is never anything else, above all no session."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        kind, _space, key = header.partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise Unauthenticated(
                "key_malformed",
                _("The Authorization header is not of the form 'Bearer kk_…'."),
                _("Send the key exactly as it was shown."),
            )
        return key_actor(key.strip())

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ActingSessionAuthentication(SessionAuthentication):
    """A signed-in person, acting for the organization chosen on the pages."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        return found[0], session_actor(request._request)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself, untyped
    target_class = "accounts.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "kk_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # as above
    target_class = "accounts.authentication.ActingSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
