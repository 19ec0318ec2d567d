"""The form by which a publisher makes an offer of any kind. It shapes input; the use case decides."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import SLUG
from licensing.domain.bookkeeping import ZERO_DECIMAL
from licensing.domain.rules import Rules, read_rules
from licensing.domain.templates import Template
from licensing.models import Offer
from licensing.services.create_offer import CURRENCIES

USE_CHOICES = [
    ("replay", _("replay it")),
    ("read", _("read it")),
    ("modify", _("change it")),
    ("derive", _("build on it")),
    ("redistribute", _("pass it on")),
    ("resell", _("sell it on")),
    ("train", _("train models with it")),
]
KIND_CHOICES = [
    ("free", _("free, for every organization")),
    ("organization", _("for your own organization only")),
    ("request", _("on request: you decide about each organization")),
    ("purchase", _("paid once")),
    ("subscription", _("paid every month or year")),
    ("metered", _("paid by successful replay")),
]
PRICING: Final = (
    "plan",
    "price_minor",
    "currency",
    "interval",
    "trial_days",
    "seats",
    "stock",
    "replays_free",
    "replays_quota",
    "versions",
    "expires_at",
)
"""The fields of ``licensing.services.create_offer.Pricing``."""


def _count(label: Any, help_text: Any, most: int = 1_000_000) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=1, max_value=most, required=False, help_text=help_text)


RULES: Final = tuple(field.name for field in fields(Rules))


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def initial_of(template: Template | None, publisher: str) -> dict[str, Any]:
    """What the form begins with: a template filled in for the publisher, or nothing."""
    if template is None:
        return {}
    found = template.filled(publisher)
    rules = read_rules(found["rules"]).document()
    joined = {name: ", ".join(rules[name]) for name in ("territory", "fields_of_use")}
    names = ("kind", "uses", "text", "text_ja", "grant_days")
    return {"name": template.name, **{name: found[name] for name in names}, **rules, **joined}


class OfferForm(forms.Form):
    """Terms and the offer of them in one go."""

    name = forms.CharField(
        label=_("Name of the terms"), max_length=64, validators=[SLUG], help_text=_("For example acme-standard.")
    )
    spdx = forms.CharField(
        label=_("SPDX expression"),
        max_length=200,
        required=False,
        help_text=_("When the text is a known license, for example Apache-2.0. Else leave it empty."),
    )
    text = forms.CharField(
        label=_("Text"),
        max_length=100_000,
        strip=False,
        required=False,
        widget=forms.Textarea(attrs={"rows": 14, "class": "code"}),
        help_text=_("Exactly this text is what others accept. With an SPDX expression it may stay empty."),
    )
    text_ja = forms.CharField(
        label=_("The same text in Japanese"),
        max_length=100_000,
        strip=False,
        required=False,
        widget=forms.Textarea(attrs={"rows": 10, "class": "code", "lang": "ja"}),
        help_text=_("Where there is one, both texts are accepted together."),
    )
    uses = forms.MultipleChoiceField(
        label=_("Who accepts may"), choices=USE_CHOICES, widget=forms.CheckboxSelectMultiple, initial=["replay", "read"]
    )
    audience = forms.ChoiceField(
        label=_("Who belongs to the licensee"),
        choices=[("organization", _("the organization")), ("affiliates", _("also companies under the same control"))],
        required=False,
    )
    territory = forms.CharField(
        label=_("Only in"), max_length=200, required=False, help_text=_("Countries, as JP, DE. Empty: everywhere.")
    )
    fields_of_use = forms.CharField(
        label=_("Only for"), max_length=500, required=False, help_text=_("As internal operations. Empty: everything.")
    )
    attribution = forms.CharField(label=_("Who must be named"), max_length=500, required=False)
    is_confidential = forms.BooleanField(label=_("It is kept confidential"), required=False)
    warranty = forms.CharField(label=_("Warranty"), max_length=500, required=False)
    liability = forms.CharField(label=_("Liability"), max_length=500, required=False)
    support_contact = forms.CharField(
        label=_("Support"), max_length=500, required=False, help_text=_("An e-mail or https address.")
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=KIND_CHOICES)
    plan = forms.CharField(
        label=_("Plan"),
        max_length=40,
        required=False,
        validators=[SLUG],
        help_text=_("Tells several offers of one kind apart, for example team. Empty: there is one only."),
    )
    price = forms.DecimalField(
        label=_("Price"),
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        required=False,
        help_text=_("Without tax. Of a purchase, of each month or year, or of one replay beyond the free ones."),
    )
    currency = forms.ChoiceField(
        label=_("Currency"), choices=[("", "–"), *((name, name) for name in CURRENCIES)], required=False
    )
    interval = forms.ChoiceField(label=_("Paid every"), choices=[("", "–"), *Offer.Interval.choices], required=False)
    trial_days = forms.IntegerField(label=_("Days of trial"), min_value=0, max_value=365, required=False)
    grant_days = _count(_("Days a license lasts"), _("Empty: until revoked."), 3650)
    seats = _count(_("Seats"), _("How many agents may use one license. Empty: all of the organization's."))
    stock = _count(_("Stock"), _("How many organizations may hold it at once. Empty: any number."))
    replays_free = forms.IntegerField(label=_("Free replays a month"), min_value=0, required=False)
    replays_quota = _count(_("Replays a month"), _("The most that one license allows. Empty: any number."))
    versions = forms.CharField(
        label=_("Versions"), max_length=100, required=False, help_text=_("A range like >=1.0,<2. Empty: all of them.")
    )
    expires_at = forms.DateTimeField(
        label=_("Offered until (UTC)"), required=False, widget=forms.DateTimeInput(attrs={"placeholder": "2027-01-31"})
    )
    recipients = forms.CharField(
        label=_("Offered only to"),
        required=False,
        max_length=2000,
        help_text=_("Short names of organizations, with commas between. Nobody else sees the offer."),
    )
    bundled = forms.CharField(
        label=_("Together with"),
        required=False,
        max_length=2000,
        help_text=_("Further experiences of yours that the license opens: acme/one, acme/two."),
    )

    def clean_recipients(self) -> list[str]:
        return _listed(self.cleaned_data["recipients"])

    def clean_territory(self) -> list[str]:
        return _listed(self.cleaned_data["territory"].upper())

    def clean_fields_of_use(self) -> list[str]:
        return _listed(self.cleaned_data["fields_of_use"])

    def clean_bundled(self) -> list[tuple[str, str]]:
        names = _listed(self.cleaned_data["bundled"])
        pairs = [tuple(name.split("/")) for name in names]
        if any(len(pair) != 2 or not all(pair) for pair in pairs):
            raise forms.ValidationError(_("Each one is written organization/name."))
        return [(pair[0], pair[1]) for pair in pairs]

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        price, currency = found.get("price"), found.get("currency") or ""
        unit = 1 if currency in ZERO_DECIMAL else 100
        amount = (price or Decimal(0)) * unit
        if amount != int(amount):
            self.add_error("price", _("This currency has no smaller unit."))
        found["price_minor"] = int(amount)
        for name in ("trial_days", "replays_free"):
            found[name] = found.get(name) or 0
        return found
