"""When the organization's experiences are proven again: for all of them, and for single topics."""

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
from experiences.reverification import document_of, policies_of, site_bounds, site_rules
from experiences.services.set_reverification import set_reverification
from marketplace.pages.base import acting, page
from marketplace.pages.frame import organization_frame


class PolicyForm(forms.Form):
    topic = forms.CharField(
        label=gettext_lazy("Topic"),
        max_length=64,
        required=False,
        help_text=gettext_lazy("Empty: for all experiences of the organization."),
    )
    max_age_days = forms.IntegerField(label=gettext_lazy("A proof counts for so many days"), required=False)
    diverging_reports = forms.IntegerField(
        label=gettext_lazy("So many failed reports from the field ask for a new proof"), required=False
    )
    request_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes between two proofs that are asked for by hand"), required=False
    )
    on_environment_change = forms.BooleanField(
        label=gettext_lazy("Prove again when an environment has changed"), required=False
    )
    on_new_environment = forms.BooleanField(
        label=gettext_lazy("Also try it in environments that it does not name"),
        required=False,
        help_text=gettext_lazy("It shows where an experience holds, and does not change its badge."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (least, most) in site_bounds().items():
            field = self.fields[name]
            field.widget.attrs.update({"min": least, "max": most})
            field.help_text = _("From {least} to {most}; empty: {site}, as everywhere here.").format(
                least=least, most=most, site=getattr(site_rules(), name)
            )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def reverification(request: HttpRequest, slug: str) -> HttpResponse:
    """The policies; a POST sets the one of its topic, or removes it when nothing is asked for."""
    actor = acting(request)
    organization = organization_for(actor, slug)
    rows = policies_of(organization)
    form, problem = _form(request, rows), None
    if request.method == "POST" and form.is_valid():
        try:
            kept = set_reverification(actor=actor, organization=organization, **form.cleaned_data)
        except Refusal as refusal:
            problem = refusal
        else:
            said = _("It holds from now on.") if kept else _("Nothing more is asked for there than everywhere.")
            messages.success(request, said)
            return redirect("organization_reverification", slug)
    context = {
        **organization_frame(actor, organization, "reverification"),
        "site": site_rules(),
        "policies": rows,
        "form": form,
        "problem": problem,
    }
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "accounts/organization_reverification.html", context, status=status)


def _form(request: HttpRequest, rows: list[Any]) -> PolicyForm:
    """What was sent, or else what is asked for the topic that the address names."""
    if request.method == "POST":
        return PolicyForm(request.POST)
    topic = request.GET.get("topic", "")[:64]
    row = next((row for row in rows if row.topic == topic), None)
    return PolicyForm(initial=document_of(row) if row else {"topic": topic})
