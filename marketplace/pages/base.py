"""What every page shares: the acting organization in the head, and refusals shown as pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.functional import SimpleLazyObject

from accounts.access import actor_of
from accounts.actors import Actor
from accounts.domain.refusals import Refusal, Unauthenticated
from accounts.models import Person
from marketplace.pages.errors import refusal_page
from marketplace.selectors import memberships_of

PageView = Callable[..., HttpResponse]


def page(view: PageView) -> PageView:
    """A view whose refusals become pages; a stranger who must sign in is sent there and comes back."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Unauthenticated as refusal:
            if request.method == "GET" and not request.user.is_authenticated:
                query = urlencode({"next": request.get_full_path()})
                return HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{query}")
            return refusal_page(request, refusal)
        except Refusal as refusal:
            return refusal_page(request, refusal)

    return answer


def acting(request: HttpRequest) -> Actor:
    """The request's actor; looked up once per request."""
    return actor_of(request)


def person_of(request: HttpRequest) -> Person:
    """The signed-in person, on pages that ask to sign in."""
    assert isinstance(request.user, Person), "the page asks to sign in"
    return request.user


def shop(request: HttpRequest) -> dict[str, Any]:
    """Context processor: for whom the person acts, and for whom else they could. Queries only when shown."""
    return {"shop": SimpleLazyObject(lambda: _shop(request)), "site_url": settings.KEIKEN.site_url}


def _shop(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"organization": "", "organization_name": "", "memberships": []}
    actor = acting(request)
    memberships = memberships_of(user.pk)
    names = {item.organization_id: item.organization.name for item in memberships}
    return {
        "organization": actor.organization_slug,
        "organization_name": names.get(actor.organization_id or 0, ""),
        "memberships": memberships,
    }
