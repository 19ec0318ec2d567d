"""Ratings as pages: all of an experience, one with its history, and the form to give one."""

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
from marketplace import reviews
from marketplace.domain.reviews import TEXT_LIMIT
from marketplace.models import Rating, ReplayReport
from marketplace.moderation import hiding_case_of
from marketplace.pages.base import acting, page
from marketplace.paging import page as page_of
from marketplace.services.rate import Opinion, rate
from marketplace.services.reply import reply
from marketplace.services.vote_helpful import vote_helpful
from marketplace.wording import OUTCOMES

NOT_ANSWERED = ("", gettext_lazy("no answer"))


class RatingForm(forms.Form):
    """The questions; the use case decides what may be rated."""

    replay_id = forms.TypedChoiceField(label=gettext_lazy("For which replay"), coerce=uuid.UUID)
    stars = forms.TypedChoiceField(
        label=gettext_lazy("Stars"),
        coerce=int,
        choices=[
            (5, gettext_lazy("5 of 5: did all it promises")),
            (4, "4"),
            (3, "3"),
            (2, "2"),
            (1, gettext_lazy("1 of 5: was of no use")),
        ],
        widget=forms.RadioSelect,
    )
    held = forms.ChoiceField(
        label=gettext_lazy("Did it hold in your environment?"),
        choices=[NOT_ANSWERED, *Rating.Answer.choices],
        required=False,
    )
    described = forms.ChoiceField(
        label=gettext_lazy("Was its description right?"), choices=[NOT_ANSWERED, *Rating.Answer.choices], required=False
    )
    effort_saved = forms.ChoiceField(
        label=gettext_lazy("How much effort did it save?"),
        choices=[NOT_ANSWERED, *Rating.Effort.choices],
        required=False,
    )
    text = forms.CharField(
        label=gettext_lazy("In words"),
        max_length=TEXT_LIMIT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=gettext_lazy("For other buyers and the publisher. Everybody can read it."),
    )

    def __init__(self, *args: Any, replays: list[ReplayReport], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["replay_id"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(str(row.replay_id), _replay_label(row)) for row in replays]


def _replay_label(row: ReplayReport) -> str:
    return f"{row.created_at:%Y-%m-%d %H:%M} · {row.version.version} · {OUTCOMES[row.outcome].label}"


@require_safe
@page
def ratings(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    actor = acting(request)
    found = experience_for(actor, organization, name)
    rows = page_of(reviews.ratings_for(actor, found), request.GET.get("cursor", ""))
    context = {**_head(found), "rows": rows, "spread": reviews.spread(found), "own": _is_own(actor, found)}
    return render(request, "marketplace/ratings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def rating(request: HttpRequest, number: int) -> HttpResponse:
    """One rating with its history; below it the buttons for whoever may do something with it."""
    actor = acting(request)
    found = reviews.rating_for(actor, number)
    problem = None
    if request.method == "POST":
        try:
            messages.success(request, _change(request, actor, found))
            return redirect("rating", number)
        except Refusal as refusal:
            problem = refusal
    is_publisher = actor.acts_for(found.experience.organization_id)
    is_author = actor.acts_for(found.organization_id)
    context = {
        **_head(found.experience),
        "item": reviews.ratings_for(actor, found.experience).filter(pk=number).first() or found,
        "history": reviews.history(actor, found),
        "may_reply": is_publisher and "publish" in actor.scopes,
        "may_vote": "rate" in actor.scopes and not is_publisher and not is_author,
        "is_author": is_author,
        "hiding": hiding_case_of(found) if is_author or is_publisher else None,
        "written": request.POST.get("text", found.reply),
        "problem": problem,
    }
    return render(request, "marketplace/rating.html", context, status=problem.status if problem else 200)


def _change(request: HttpRequest, actor: Actor, found: Rating) -> str:
    """What was done, in words. Raises Refusal."""
    wanted = request.POST.get("do")
    if wanted == "reply":
        reply(actor=actor, rating=found, text=request.POST.get("text", ""))
        return _("Your answer is kept.")
    if wanted in ("helpful", "not_helpful"):
        vote_helpful(actor=actor, rating=found, is_helpful=wanted == "helpful")
        return _("Thank you. Your organization's voice is counted.")
    raise NotFound(_("action"))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def give_rating(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    actor = acting(request)
    actor.require("rate")
    found = experience_for(actor, organization, name)
    replays = reviews.ratable_replays(actor, found)
    before = reviews.own_ratings(actor, found)
    form = RatingForm(request.POST or None, replays=replays, initial=_initial(replays, before))
    problem = None
    if request.method == "POST" and form.is_valid():
        wanted = dict(form.cleaned_data)
        replay_id = wanted.pop("replay_id")
        try:
            row, _created = rate(actor=actor, experience=found, opinion=Opinion(**wanted), replay_id=replay_id)
            messages.success(request, _("Your rating is kept. You can change it at any time."))
            return redirect("rating", row.pk)
        except Refusal as refusal:
            problem = refusal
    context = {
        **_head(found),
        "form": form,
        "replays": replays,
        "before": before,
        "own": _is_own(actor, found),
        "problem": problem,
    }
    status = problem.status if problem else 400 if form.errors else 200
    return render(request, "marketplace/rate.html", context, status=status)


def _initial(replays: list[ReplayReport], before: dict[int, Rating]) -> dict[str, Any]:
    """The newest replay, and what was said of its version line before."""
    if not replays:
        return {}
    said = before.get(replays[0].version.major)
    return {"replay_id": str(replays[0].replay_id), **(said.content() if said else {})}


def _is_own(actor: Actor, found: Experience) -> bool:
    return actor.acts_for(found.organization_id)


def _head(found: Experience) -> dict[str, Any]:
    return {"section": "browse", "experience": found, "name": str(found)}
