"""What every part of the shop front may ask of a request: its id, its address, whether it is for the API."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest

API_PREFIX = "/api/"


def request_id(request: Any) -> str:
    """One id per request, the same in the answer's header, in a problem's body and in the log."""
    plain = getattr(request, "_request", request)
    known = getattr(plain, "keiken_request_id", None)
    if known is None:
        known = uuid.uuid4().hex
        plain.keiken_request_id = known
    return str(known)


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def address(request: Any) -> str:
    """The peer's address as the web server saw it. A header a client could forge is not believed."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")
