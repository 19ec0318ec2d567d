"""A person's own account: name and language, an export of what is known of them, and leaving for good."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language as set_browsers_language

from accounts import selectors
from accounts.access import export_for, memberships_of
from accounts.domain.refusals import Refusal
from accounts.models import Person
from accounts.services.change_person import change_person
from accounts.services.request_export import request_export
from marketplace.language import keep_in_cookie
from marketplace.pages.base import acting, page, person_of
from marketplace.services.erase_person import erase_person
from marketplace.throttling import count_guess


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def account(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    problem = None
    if request.method == "POST":
        name, language = request.POST.get("name", ""), request.POST.get("language", person.language)
        try:
            change_person(actor=acting(request), person=person, name=name, language=language)
        except Refusal as refusal:
            problem = refusal
        else:
            with override(language):
                messages.success(request, _("Your account is changed."))
            response = redirect("account")
            keep_in_cookie(response, language)
            return response
    context = {
        "person": person,
        "languages": Person._meta.get_field("language").choices,
        "memberships": memberships_of(request, person.pk),
        "export": selectors.export_of(person),
        "problem": problem,
    }
    return render(request, "accounts/account.html", context, status=problem.status if problem else 200)


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """The language of this browser, and of the person if one is signed in."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        change_person(actor=acting(request), person=person_of(request), language=language)
    return set_browsers_language(request)


@login_required
@require_POST
@page
def order_export(request: HttpRequest) -> HttpResponse:
    request_export(actor=acting(request), person=person_of(request))
    messages.success(request, _("Your export is being written. Load this page again in a minute."))
    return redirect("account")


@login_required
@never_cache
@require_safe
@page
def export(request: HttpRequest, number: UUID) -> HttpResponse:
    found = export_for(acting(request), number)
    headers = {"Content-Disposition": 'attachment; filename="keiken-account.zip"'}
    return HttpResponse(bytes(found.content or b""), content_type="application/zip", headers=headers)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def delete_account(request: HttpRequest) -> HttpResponse:
    """Says what goes and what stays, and asks for the password."""
    person = person_of(request)
    problem = None
    if request.method == "POST":
        try:
            count_guess(person.pk)
            erase_person(actor=acting(request), person=person, password=request.POST.get("password", ""))
        except Refusal as refusal:
            problem = refusal
        else:
            logout(request)
            messages.success(request, _("Your account is deleted."))
            return redirect("home")
    context = {"person": person, "problem": problem}
    return render(request, "accounts/account_delete.html", context, status=problem.status if problem else 200)
