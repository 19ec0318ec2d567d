"""The forms of the organization area. They shape input; the use cases decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.actors import AGENT_SCOPES, SCOPES, Actor
from accounts.models import SLUG, Agent, Membership

MYSELF = "me"
SCOPE_LABELS = {
    "read": _("read: search and look"),
    "publish": _("publish: new versions"),
    "license": _("license: accept terms"),
    "purchase": _("purchase: buy within the budget"),
    "download": _("download: fetch packages"),
    "report": _("report: tell how replays went"),
    "rate": _("rate: give ratings"),
    "admin": _("admin: members and keys"),
}


class OrganizationForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("As people read it, for example “Acme Tools”."))
    slug = forms.CharField(
        label=_("Short name"),
        max_length=64,
        validators=[SLUG],
        help_text=_("Part of every address, for example acme in acme/rotate-certificate. It cannot be changed."),
    )


class MemberForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"))
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices, initial="buyer")


class KeyForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("So that you recognize it later."))
    holder = forms.ChoiceField(label=_("For"))
    scopes = forms.MultipleChoiceField(label=_("It may"), widget=forms.CheckboxSelectMultiple)
    days = forms.TypedChoiceField(
        label=_("Ends after"),
        coerce=int,
        choices=[(30, _("30 days")), (90, _("90 days")), (365, _("a year")), (0, _("never"))],
        initial=90,
    )

    def __init__(self, *args: Any, agents: list[Agent], actor: Actor, **kwargs: Any) -> None:
        """Owners make keys for agents and for themselves, others for themselves, with what their role allows."""
        super().__init__(*args, **kwargs)
        holder, scopes = self.fields["holder"], self.fields["scopes"]
        assert isinstance(holder, forms.ChoiceField)
        assert isinstance(scopes, forms.MultipleChoiceField)
        may_choose = "admin" in actor.scopes
        active = [(str(agent.id), agent.name) for agent in agents if agent.is_active and may_choose]
        holder.choices = [*active, (MYSELF, _("me"))]
        scopes.choices = [(scope, SCOPE_LABELS[scope]) for scope in SCOPES if scope in actor.scopes]
        scopes.initial = sorted((AGENT_SCOPES & actor.scopes) - {"publish", "license", "purchase"})
