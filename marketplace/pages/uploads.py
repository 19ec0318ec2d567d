"""Publish a package from the browser: the same use case that ``keiken publish`` reaches."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.access import organization_for
from accounts.domain.refusals import Refusal
from experiences.models import Experience
from experiences.services.publish import publish
from marketplace.pages.base import acting, page

KEEP = ""
"""The visibility that leaves an experience as open as it is."""


class PackageForm(forms.Form):
    package = forms.FileField(
        label=gettext_lazy("Package"),
        help_text=gettext_lazy("The .tar.gz that keiken pack writes."),
        widget=forms.FileInput(attrs={"accept": ".gz,.tgz,application/gzip"}),
    )
    visibility = forms.ChoiceField(
        label=gettext_lazy("Who may see it"),
        required=False,
        choices=[
            (KEEP, gettext_lazy("As before; a new experience is public")),
            (Experience.Visibility.PUBLIC, gettext_lazy("Everybody")),
            (Experience.Visibility.ORGANIZATION, gettext_lazy("Only my organization")),
        ],
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """A package is published whole or refused whole; a refusal names the file and the rule."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    actor.require("publish", organization.pk)
    sent = request.method == "POST"
    form, problem = PackageForm(request.POST, request.FILES) if sent else PackageForm(), None
    if sent and form.is_valid():
        try:
            published = publish(
                actor=actor,
                organization_slug=organization.slug,
                archive=form.cleaned_data["package"].read(),
                visibility=form.cleaned_data["visibility"] or None,
            )
        except Refusal as refusal:
            problem = refusal
        else:
            version = published.version
            messages.success(request, _told(published.created).format(version=version.version))
            return redirect("version", organization.slug, version.experience.name, version.version)
    context: dict[str, Any] = {"section": "organization", "organization": organization, "form": form}
    context |= {"problem": problem, "findings": _findings(problem)}
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "accounts/organization_upload.html", context, status=status)


def _told(created: bool) -> str:
    if created:
        return _("Version {version} is published. Its proofs have begun; this page shows how they end.")
    return _("Version {version} was published before with exactly these bytes; nothing is changed.")


def _findings(problem: Refusal | None) -> list[dict[str, str]]:
    """Where in the package which rule is broken: all that the review found, or the one place that is known."""
    details = problem.details if problem else {}
    listed = details.get("findings") or ([{**details, "message": ""}] if details.get("file") else [])
    return [
        {
            "place": ":".join(str(item[name]) for name in ("file", "line") if item.get(name)),
            "message": item["message"],
        }
        for item in listed
    ]
