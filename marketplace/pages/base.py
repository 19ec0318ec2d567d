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
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.access import actor_of, memberships_of
from accounts.actors import Actor
from accounts.domain.refusals import Refusal, Unauthenticated
from accounts.models import Person
from marketplace.pages.errors import refusal_page

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


def back_to(request: HttpRequest, fallback: str) -> HttpResponseRedirect:
    """To the page of ours that the form names as ``next``, else to ``fallback``; never to another site."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(wanted if safe else resolve_url(fallback))


def shop(request: HttpRequest) -> dict[str, Any]:
    """Context processor: for whom the person acts, and for whom else they could. Queries only when shown."""
    return {"shop": SimpleLazyObject(lambda: _shop(request)), "site_url": settings.KEIKEN.site_url}


def _shop(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"organization": "", "organization_name": "", "memberships": []}
    actor = acting(request)
    memberships = sorted(memberships_of(request, user.pk), key=lambda item: item.organization.name)
    names = {item.organization_id: item.organization.name for item in memberships}
    return {
        "organization": actor.organization_slug,
        "organization_name": names.get(actor.organization_id or 0, ""),
        "memberships": memberships,
    }
