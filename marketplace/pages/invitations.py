"""An invitation as whoever got it sees it; and handing an organization over or closing it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import ACTING_ORGANIZATION, invitation_for, member_for, organization_for
from accounts.domain.refusals import NotFound, Refusal
from accounts.models import Membership
from accounts.services.answer_invitation import accept_invitation
from accounts.services.transfer_ownership import transfer_ownership
from marketplace.pages.base import acting, page, person_of
from marketplace.pages.frame import organization_frame
from marketplace.pages.identifiers import row_number
from marketplace.services.close_organization import close_organization


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Reading it changes nothing: mail programs follow links by themselves. Joining is a POST by somebody signed in."""
    found = invitation_for(token)
    problem = None
    if request.method == "POST":
        actor = acting(request)
        actor.require_known()
        try:
            accept_invitation(actor=actor, person=person_of(request), invitation=found)
        except Refusal as refusal:
            problem = refusal
        else:
            request.session[ACTING_ORGANIZATION] = found.organization.slug
            messages.success(request, _("You have joined {name}.").format(name=found.organization.name))
            return redirect("organization", found.organization.slug)
    user = request.user
    context = {
        "invitation": found,
        "is_over": bool(found.accepted_at or found.revoked_at) or found.expires_at <= timezone.now(),
        "is_theirs": user.is_authenticated and user.email.lower() == found.email.lower(),
        "problem": problem,
    }
    return render(request, "accounts/invitation.html", context, status=problem.status if problem else 200)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def hand_over(request: HttpRequest, slug: str) -> HttpResponse:
    """For owners: make another member the owner, or close the organization."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    actor.require("admin", organization.pk)
    problem = None
    if request.method == "POST":
        try:
            if request.POST.get("do") == "close":
                close_organization(
                    actor=actor, organization=organization, confirmation=request.POST.get("confirmation", "")
                )
                messages.success(request, _("{name} is closed.").format(name=organization.name))
                return redirect("account")
            if request.POST.get("do") != "transfer":
                raise NotFound(_("action"))
            heir = member_for(organization, row_number(request.POST.get("person")))
            own_role = request.POST.get("own_role", "")
            transfer_ownership(actor=actor, organization=organization, person=heir.person, own_role=own_role)
            messages.success(request, _("{name} is the owner now.").format(name=heir.person))
            return redirect("organization", slug)
        except Refusal as refusal:
            if refusal.status == 404:
                raise
            problem = refusal
    rows = (
        organization.memberships.select_related("person").exclude(person=person_of(request)).order_by("person__email")
    )
    context = {
        **organization_frame(actor, organization, "members"),
        "others": list(rows),
        "roles": Membership.Role.choices,
        "problem": problem,
    }
    return render(request, "accounts/organization_hand_over.html", context, status=problem.status if problem else 200)
