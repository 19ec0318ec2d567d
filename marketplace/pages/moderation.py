"""Reporting something, the reviewers' queue, and a case as each side sees it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actors import Actor
from accounts.domain.refusals import NotFound, Refusal
from experiences.access import experience_for
from experiences.models import Experience
from marketplace import moderation
from marketplace.domain.reviews import REASON_LIMIT
from marketplace.models import Case, Rating
from marketplace.pages.base import acting, page
from marketplace.reviews import rating_for
from marketplace.services.appeal import appeal
from marketplace.services.decide_case import decide_case
from marketplace.services.report_abuse import report_abuse


class AbuseForm(forms.Form):
    reason = forms.ChoiceField(label=gettext_lazy("What is wrong with it?"), choices=Case.Reason.choices)
    text = forms.CharField(
        label=gettext_lazy("Tell the reviewers more"),
        max_length=REASON_LIMIT,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text=gettext_lazy("Only reviewers of this marketplace read it, and that it comes from you."),
    )


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def report_listing(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    return _report(request, "listing", experience_for(acting(request), organization, name))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def report_rating(request: HttpRequest, number: int) -> HttpResponse:
    found = rating_for(acting(request), number)
    subject = "reply" if request.GET.get("part") == "reply" else "rating"
    return _report(request, subject, found.experience, found)


def _report(request: HttpRequest, subject: str, experience: Experience, rating: Rating | None = None) -> HttpResponse:
    form, problem = AbuseForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            case, _created = report_abuse(
                actor=acting(request), subject=subject, experience=experience, rating=rating, **form.cleaned_data
            )
            messages.success(request, _("Thank you. A reviewer looks at it; here you see what comes of it."))
            return redirect("case", case.pk)
        except Refusal as refusal:
            problem = refusal
    context = {
        "section": "browse",
        "experience": experience,
        "name": str(experience),
        "subject": subject,
        "item": rating,
        "form": form,
        "problem": problem,
    }
    status = problem.status if problem else 400 if form.errors else 200
    return render(request, "marketplace/report_abuse.html", context, status=status)


@login_required
@never_cache
@require_safe
@page
def queue(request: HttpRequest) -> HttpResponse:
    """For reviewers: what waits, what endangers people first."""
    moderation.require_reviewer(acting(request))
    wanted = request.GET.get("state", "")
    state = wanted if wanted in Case.State.values else Case.State.OPEN.value
    waiting = moderation.waiting()
    context = {
        "section": "moderation",
        "state": state,
        "tabs": [(value, label, waiting[value]) for value, label in Case.State.choices],
        "cases": moderation.queue(state),
    }
    return render(request, "marketplace/moderation.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def case(request: HttpRequest, number: uuid.UUID) -> HttpResponse:
    actor, problem = acting(request), None
    seen = moderation.case_for(actor, number)
    if request.method == "POST":
        try:
            messages.success(request, _change(request, actor, number))
            return redirect("case", number)
        except Refusal as refusal:
            problem = refusal
    context = {**_context(actor, seen), "written": request.POST.get("text", ""), "problem": problem}
    return render(request, "marketplace/case.html", context, status=problem.status if problem else 200)


def _context(actor: Actor, seen: moderation.SeenCase) -> dict[str, Any]:
    found, is_reviewer = seen.case, seen.view == "reviewer"
    is_waiting = found.state in (Case.State.OPEN, Case.State.APPEALED)
    return {
        "section": "moderation" if is_reviewer else "browse",
        "case": found,
        "view": seen.view,
        "item": found.rating,
        "experience": found.experience,
        "name": str(found.experience),
        "entries": moderation.entries_of(found) if is_reviewer else [],
        "forms": moderation.forms_of(found) if is_reviewer else [],
        "reasons": Case.Reason.choices,
        "is_waiting": is_waiting,
        "may_decide": is_reviewer and is_waiting and moderation.may_decide(actor, found),
        "may_appeal": moderation.may_appeal(actor, found),
    }


def _change(request: HttpRequest, actor: Actor, number: uuid.UUID) -> str:
    """What was done, in words. Raises Refusal."""
    wanted, text = request.POST.get("do"), request.POST.get("text", "")
    if wanted in Case.Outcome.values:
        reason = request.POST.get("reason", "")
        decide_case(actor=actor, case_id=number, outcome=str(wanted), reason=reason, statement=text)
        return _("Decided. Its author reads your statement.")
    if wanted == "appeal":
        appeal(actor=actor, case_id=number, text=text)
        return _("Your appeal is sent. Another reviewer looks at it.")
    raise NotFound(_("action"))
