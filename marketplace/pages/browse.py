"""Browse and search; and the facts a person pasted, which stay in their session."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.refusals import Invalid, Refusal
from marketplace import selectors
from marketplace.facts import read_facts
from marketplace.pages.base import acting, page

SESSION_FACTS = "facts"
SESSION_PROFILE = "facts_profile"
"""The name of the environment profile that the session's facts are of; absent for pasted ones."""
WORDS_MAX_LENGTH = 200
FACTS_SHOWN = ("os.id", "os.version", "os.family", "host.architecture", "python.version")


@require_safe
@page
def browse(request: HttpRequest) -> HttpResponse:
    context = _found(request)
    # htmx asks with this header and only needs the results; everybody else gets the whole page.
    template = "marketplace/_results.html" if request.headers.get("HX-Request") else "marketplace/browse.html"
    response = render(request, template, context, status=context["status"])
    response.headers["Vary"] = "HX-Request, Cookie, Accept-Language"
    return response


@require_POST
@page
def facts(request: HttpRequest) -> HttpResponse:
    """Keep the pasted facts in the session, or forget them."""
    if request.POST.get("clear"):
        forget_facts(request)
        return _back(request)
    try:
        keep_facts(request, read_facts(request.POST.get("facts", "")))
    except Invalid as refusal:
        context = {**_found(request), "facts_problem": f"{refusal.message} {refusal.advice}"}
        return render(request, "marketplace/browse.html", context, status=refusal.status)
    return _back(request)


def keep_facts(request: HttpRequest, facts: dict[str, Any], profile: str = "") -> None:
    """From now on this session's searches are held against these facts."""
    forget_facts(request)
    request.session[SESSION_FACTS] = facts
    if profile:
        request.session[SESSION_PROFILE] = profile


def forget_facts(request: HttpRequest) -> None:
    request.session.pop(SESSION_FACTS, None)
    request.session.pop(SESSION_PROFILE, None)


def session_facts(request: HttpRequest) -> dict[str, Any] | None:
    found = request.session.get(SESSION_FACTS)
    return found if isinstance(found, dict) else None


def _back(request: HttpRequest) -> HttpResponse:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return HttpResponseRedirect(wanted if safe else resolve_url("browse"))


def _found(request: HttpRequest) -> dict[str, Any]:
    actor, known = acting(request), session_facts(request)
    words = " ".join(request.GET.get("q", "").split())[:WORDS_MAX_LENGTH]
    topic, organization = request.GET.get("topic", "")[:64], request.GET.get("organization", "")[:64]
    only_fitting = bool(request.GET.get("fits")) and known is not None
    cursor = request.GET.get("cursor", "")[:500]
    context: dict[str, Any] = {
        "section": "browse",
        "words": words,
        "topic": topic,
        "organization_slug": organization,
        "only_fitting": only_fitting,
        "cursor": cursor,
        "facts": known,
        "facts_profile": request.session.get(SESSION_PROFILE, ""),
        "shown_facts": [(key, (known or {})[key]) for key in FACTS_SHOWN if key in (known or {})],
        "topics": selectors.topics(actor),
        "status": 200,
    }
    try:
        if organization:
            found = selectors.listing_page(actor, organization=organization, topic=topic, facts=known, cursor=cursor)
            rows, next_cursor = found["results"], found["next"]
        else:
            rows, next_cursor = selectors.search(
                actor,
                words=words,
                topics=[topic] if topic else [],
                facts=known,
                only_fitting=only_fitting,
                cursor=cursor,
            )
    except Refusal as refusal:
        return {**context, "problem": refusal, "status": refusal.status, "rows": []}
    query = {"q": words, "topic": topic, "organization": organization, "fits": "1" if only_fitting else ""}
    query = {name: value for name, value in query.items() if value}
    return {
        **context,
        "rows": rows,
        "first_query": urlencode(query),
        "next_query": urlencode({**query, "cursor": next_cursor}) if next_cursor else "",
        "title": _("Browse"),
    }
