"""The organization area: members, agents and keys, licenses, experiences, audit trail; creating and switching."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import ACTING_ORGANIZATION, agent_for, memberships_of, open_invitation_for, organization_for
from accounts.actors import Actor
from accounts.domain.refusals import NotFound, Refusal
from accounts.models import Membership, Organization
from accounts.selectors import open_invitations_of
from accounts.services.add_member import add_member
from accounts.services.answer_invitation import revoke_invitation
from accounts.services.change_role import change_role
from accounts.services.create_agent import create_agent
from accounts.services.create_organization import create_organization
from accounts.services.deactivate_agent import deactivate_agent
from accounts.services.invite_member import invite_member
from accounts.services.issue_key import issue_key
from accounts.services.remove_member import remove_member
from accounts.services.revoke_key import revoke_key
from experiences.selectors import verification_statuses
from licensing import sold
from licensing.services.create_offer import CURRENCIES
from licensing.services.revoke_grant import revoke_grant
from licensing.services.set_billing import set_billing
from licensing.services.set_policy import set_policy
from licensing.services.take_seat import release_seat
from marketplace import selectors
from marketplace.pages.base import acting, page, person_of
from marketplace.pages.forms import KeyForm, MemberForm, OrganizationForm
from marketplace.pages.frame import organization_frame
from marketplace.pages.identifiers import row_number, row_uuid
from marketplace.pages.sales import policy_values
from marketplace.publishing import published_by


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_organization(request: HttpRequest) -> HttpResponse:
    form = OrganizationForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "section": "organization"}
    if request.method == "POST" and form.is_valid():
        try:
            made = create_organization(
                person=person_of(request), slug=form.cleaned_data["slug"], name=form.cleaned_data["name"]
            )
        except Refusal as refusal:
            context["problem"] = refusal
            return render(request, "accounts/organization_new.html", context, status=refusal.status)
        request.session[ACTING_ORGANIZATION] = made.slug
        messages.success(request, _("{name} is created. You are its owner.").format(name=made.name))
        return redirect("organization", made.slug)
    return render(request, "accounts/organization_new.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
@page
def switch_organization(request: HttpRequest) -> HttpResponse:
    slug = request.POST.get("organization", "")
    if slug not in {member.organization.slug for member in memberships_of(request, person_of(request).pk)}:
        raise NotFound(_("organization"))
    request.session[ACTING_ORGANIZATION] = slug
    return redirect("organization", slug)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def members(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    form, problem = MemberForm(), None
    if request.method == "POST":
        form = MemberForm(request.POST) if request.POST.get("do") in ("add", "invite") else form
        try:
            done = _change_members(request, actor, organization, form)
        except Refusal as refusal:
            done, problem = "", refusal
        if done:
            messages.success(request, done)
            return redirect("organization", slug)
    context = {
        **organization_frame(actor, organization, "members"),
        "members": list(organization.memberships.select_related("person").order_by("-role", "person__email")),
        "roles": Membership.Role.choices,
        "invitations": list(open_invitations_of(organization)),
        "now": timezone.now(),
        "form": form,
        "problem": problem,
    }
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "accounts/organization.html", context, status=status)


def _change_members(request: HttpRequest, actor: Actor, organization: Organization, form: MemberForm) -> str:
    """What was done, in words; empty when the form is not right."""
    wanted = request.POST.get("do")
    if wanted == "add":
        if not form.is_valid():
            return ""
        add_member(actor=actor, organization=organization, **form.cleaned_data)
        return _("The member is added.")
    if wanted == "invite":
        if not form.is_valid():
            return ""
        invite_member(actor=actor, organization=organization, **form.cleaned_data)
        return _("The invitation is on its way by mail. Its link works for seven days.")
    if wanted == "uninvite":
        found = open_invitation_for(organization, row_uuid(request.POST.get("invitation")))
        revoke_invitation(actor=actor, invitation=found)
        return _("The invitation is taken back.")
    member = organization.memberships.filter(person_id=row_number(request.POST.get("person"))).first()
    if member is None:
        raise NotFound(_("member"))
    if wanted == "change":
        change_role(actor=actor, organization=organization, person=member.person, role=request.POST.get("role", ""))
        return _("The role is changed.")
    if wanted == "remove":
        remove_member(actor=actor, organization=organization, person=member.person)
        return _("The member is removed.")
    raise NotFound(_("action"))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def agents(request: HttpRequest, slug: str) -> HttpResponse:
    """Agents and keys. A new key's secret is in this one answer and nowhere else, not even in the session."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    context = organization_frame(actor, organization, "agents")
    status = 200
    if request.method == "POST":
        context, status = {**context, **_change_agents(request, actor, organization)}, 200
        if context.get("done"):
            messages.success(request, str(context["done"]))
            return redirect("organization_agents", slug)
        refused = context.get("problem") or context.get("agent_problem")
        status = refused.status if refused else 200 if context.get("secret") else 422
    rows = list(organization.agents.order_by("name"))
    context.setdefault("form", KeyForm(agents=rows, actor=actor))
    context |= {"agents": rows, "may_make_keys": actor.acts_for(organization.pk)}
    context |= {"policy": sold.policy_of(organization), "currencies": CURRENCIES}
    context["keys"] = list(organization.api_keys.select_related("agent", "person").order_by("-created_at")[:100])
    return render(request, "accounts/organization_agents.html", context, status=status)


def _change_agents(request: HttpRequest, actor: Actor, organization: Organization) -> dict[str, Any]:
    wanted = request.POST.get("do")
    if wanted == "create_agent":
        name = request.POST.get("name", "")
        try:
            create_agent(actor=actor, organization=organization, name=name)
        except Refusal as refusal:
            return {"agent_problem": refusal, "agent_name": name[:64]}
        return {"done": _("The agent is created.")}
    if wanted == "deactivate_agent":
        deactivate_agent(actor=actor, agent=agent_for(organization, request.POST.get("agent", "")[:64]))
        return {"done": _("The agent is switched off for good, and its keys are revoked.")}
    if wanted == "revoke_key":
        key = organization.api_keys.filter(pk=row_number(request.POST.get("key"))).first()
        if key is None:
            raise NotFound(_("key"))
        revoke_key(actor=actor, key=key)
        return {"done": _("The key is revoked. It is refused from the next request on.")}
    if wanted == "set_policy":
        try:
            set_policy(actor=actor, **policy_values(request, organization))
        except Refusal as refusal:
            return {"problem": refusal}
        return {"done": _("The budget is kept. It holds from the next order on.")}
    if wanted == "issue_key":
        return _issue_key(request, actor, organization)
    raise NotFound(_("action"))


def _issue_key(request: HttpRequest, actor: Actor, organization: Organization) -> dict[str, Any]:
    rows = list(organization.agents.filter(is_active=True))
    form = KeyForm(request.POST, agents=rows, actor=actor)
    if not form.is_valid():
        return {"form": form}
    wanted = form.cleaned_data
    agent = next((row for row in rows if str(row.id) == wanted["holder"]), None)
    try:
        _row, secret = issue_key(
            actor=actor,
            organization=organization,
            agent=agent,
            person=None if agent else person_of(request),
            name=wanted["name"],
            scopes=wanted["scopes"],
            expires_at=timezone.now() + timedelta(days=wanted["days"]) if wanted["days"] else None,
        )
    except Refusal as refusal:
        return {"form": form, "problem": refusal}
    return {"secret": secret}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def licenses(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    if request.method == "POST":
        messages.success(request, _change_licenses(request, actor, organization))
        return redirect("organization_licenses", slug)
    held = selectors.grants_held(organization)
    usage = sold.usage_of(held)
    context = {
        **organization_frame(actor, organization, "licenses"),
        "held": [{"grant": grant, **usage[grant.pk]} for grant in held],
        "orders": sold.orders_of(organization),
        "may_release": "license" in actor.scopes,
        "billing": sold.billing_of(organization),
        "may_buy": "purchase" in actor.scopes,
        "given": selectors.grants_given(organization),
        "may_revoke": "publish" in actor.scopes,
        "now": timezone.now(),
    }
    return render(request, "accounts/organization_licenses.html", context)


def _change_licenses(request: HttpRequest, actor: Actor, organization: Organization) -> str:
    """What was done, in words."""
    if request.POST.get("do") == "set_billing":
        address, tax_id = (request.POST.get(name, "") for name in ("address", "tax_id"))
        set_billing(actor=actor, organization=organization, address=address, tax_id=tax_id)
        return _("Your invoices name this from the next order on.")
    grant = request.POST.get("grant", "")
    if request.POST.get("do") == "release":
        release_seat(actor=actor, grant_id=grant, agent=request.POST.get("agent", ""))
        return _("The seat is free.")
    revoke_grant(actor=actor, grant_id=grant, reason=_line(request.POST.get("reason", "")))
    return _("The license is revoked. Downloads are refused from the next request on.")


@login_required
@require_safe
@page
def published(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    actor.require("read", organization.pk)
    rows = published_by(organization)
    statuses = verification_statuses(row.latest for row in rows if row.latest is not None)
    context = {
        **organization_frame(actor, organization, "experiences"),
        "rows": [{"row": row, "status": statuses.get(row.latest_id or 0)} for row in rows],
        "may_publish": "publish" in actor.scopes and actor.acts_for(organization.id),
    }
    return render(request, "accounts/organization_experiences.html", context)


def _line(text: str) -> str:
    """One line without the control characters that a form can smuggle in."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
