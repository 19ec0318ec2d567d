"""Browse and search; and the facts a person pasted, which stay in their session."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.domain.refusals import Invalid, Refusal
from marketplace import selectors
from marketplace.facts import read_facts
from marketplace.pages.base import acting, back_to, page
from marketplace.pages.choosing import facets_of, read_choice

SESSION_FACTS = "facts"
SESSION_PROFILE = "facts_profile"
"""The name of the environment profile that the session's facts are of; absent for pasted ones."""
ORDERS = (
    ("relevance", gettext_lazy("Best first")),
    ("quality", gettext_lazy("Highest quality")),
    ("newest", gettext_lazy("Newest")),
    ("replayed", gettext_lazy("Most replayed")),
)
FITS = (
    ("any", gettext_lazy("Everything")),
    ("fits", gettext_lazy("Only what fits my machine")),
    ("nearly", gettext_lazy("Also what fits nearly")),
)
FACTS_SHOWN = ("os.id", "os.version", "os.family", "host.architecture", "python.version")


@require_safe
@page
def browse(request: HttpRequest) -> HttpResponse:
    context = _found(request)
    # htmx asks with this header and only needs the results; everybody else gets the whole page.
    template = "marketplace/_found.html" if request.headers.get("HX-Request") else "marketplace/browse.html"
    response = render(request, template, context, status=context["status"])
    response.headers["Vary"] = "HX-Request, Cookie, Accept-Language"
    return response


@require_POST
@page
def facts(request: HttpRequest) -> HttpResponse:
    """Keep the pasted facts in the session, or forget them."""
    if request.POST.get("clear"):
        forget_facts(request)
        return back_to(request, "browse")
    try:
        keep_facts(request, read_facts(request.POST.get("facts", "")))
    except Invalid as refusal:
        context = {**_found(request), "facts_problem": f"{refusal.message} {refusal.advice}"}
        return render(request, "marketplace/browse.html", context, status=refusal.status)
    return back_to(request, "browse")


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


def _found(request: HttpRequest) -> dict[str, Any]:
    known = session_facts(request)
    chosen = read_choice(request, known)
    context: dict[str, Any] = {
        "section": "browse",
        "chosen": chosen,
        "words": chosen.question.words,
        "publisher": next(iter(chosen.question.publishers), ""),
        "sorts": ORDERS,
        "fits": FITS,
        "nearly_query": chosen.link(fit="nearly"),
        "facts": known,
        "facts_profile": request.session.get(SESSION_PROFILE, ""),
        "shown_facts": [(key, (known or {})[key]) for key in FACTS_SHOWN if key in (known or {})],
        "title": _("Browse"),
        "status": 200,
    }
    try:
        found = selectors.search(acting(request), chosen.question, chosen.cursor)
    except Refusal as refusal:
        return {**context, "problem": refusal, "status": refusal.status, "rows": []}
    return {
        **context,
        "rows": found["results"],
        "total": found["total"],
        "facets": facets_of(chosen, found["facets"]),
        "first_query": chosen.link(),
        "next_query": chosen.link(cursor=found["next"]) if found["next"] else "",
    }
