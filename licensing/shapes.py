"""What the API says of terms, offers and grants, and what it takes: the shapes, and the rows as documents of them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from licensing.domain.bookkeeping import in_words
from licensing.domain.grants import state_of
from licensing.domain.rules import AUDIENCES, read_rules
from licensing.domain.terms import TEXT_LIMIT, USES
from licensing.drivers import DRIVERS
from licensing.models import Grant, Offer, Terms
from licensing.services.create_offer import LONGEST_DAYS, Pricing
from licensing.sold import usage_of

KINDS = list(DRIVERS)


class RulesShape(serializers.Serializer[object]):
    audience = serializers.ChoiceField(AUDIENCES, required=False, default="organization")
    territory = serializers.ListField(
        child=serializers.CharField(max_length=2),
        required=False,
        default=list,
        max_length=50,
        help_text="Countries (ISO 3166-1 alpha-2); empty: the whole world.",
    )
    fields_of_use = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, default=list, max_length=50
    )
    attribution = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
    is_confidential = serializers.BooleanField(required=False, default=False)
    warranty = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
    liability = serializers.CharField(required=False, allow_blank=True, default="", max_length=500)
    support_contact = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=500, help_text="An e-mail or https address."
    )


class TermsShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(["spdx", "custom"])
    spdx = serializers.CharField(allow_blank=True)
    text_sha256 = serializers.CharField(
        help_text="Of the UTF-8 bytes of exactly what is accepted, in hex: the text, and after a form feed and a line "
        "feed the Japanese one, where there is one."
    )
    uses = serializers.ListField(child=serializers.ChoiceField(USES))
    rules = RulesShape()
    text_url = serializers.CharField()


class TermsWithText(TermsShape):
    organization = serializers.CharField()
    text = serializers.CharField()
    text_ja = serializers.CharField(allow_blank=True)


class TermsList(serializers.Serializer[object]):
    results = TermsShape(many=True)


class TermsRequest(serializers.Serializer[object]):
    name = serializers.CharField(max_length=64, help_text="The same name again makes the next version.")
    kind = serializers.ChoiceField(["spdx", "custom"])
    spdx = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)
    text = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=TEXT_LIMIT, trim_whitespace=False
    )
    text_ja = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=TEXT_LIMIT,
        trim_whitespace=False,
        help_text="The same in Japanese; both are accepted.",
    )
    rules = RulesShape(required=False)
    uses = serializers.ListField(
        child=serializers.CharField(max_length=20),
        required=False,
        default=list,
        max_length=20,
        help_text=f"Some of {', '.join(USES)}. May be left out for well-known SPDX licenses.",
    )


class PricingShape(serializers.Serializer[object]):
    plan = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=40,
        help_text="Tells it from other offers of its kind, like 'team'.",
    )
    price_minor = serializers.IntegerField(
        required=False, default=0, min_value=0, help_text="Without tax, in the currency's smallest unit."
    )
    currency = serializers.CharField(required=False, allow_blank=True, default="", max_length=3)
    interval = serializers.ChoiceField(["", "month", "year"], required=False, default="", allow_blank=True)
    trial_days = serializers.IntegerField(required=False, default=0, min_value=0, max_value=365)
    seats = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Agents per license; null: all."
    )
    stock = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Licenses at a time; null: any number."
    )
    replays_free = serializers.IntegerField(required=False, default=0, min_value=0)
    versions = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=100, help_text="A range like >=1.0,<2; empty: all."
    )
    replays_quota = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Successful replays a month."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class OfferShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(KINDS)
    terms = TermsShape()
    grant_days = serializers.IntegerField(allow_null=True, help_text="null: until revoked.")
    pricing = PricingShape()
    price = serializers.CharField(allow_blank=True, help_text="In words, without tax.")
    is_private = serializers.BooleanField()
    bundled = serializers.ListField(
        child=serializers.CharField(), help_text="Further experiences that a license on it opens: organization/name."
    )


class OfferList(serializers.Serializer[object]):
    results = OfferShape(many=True)


class OfferRequest(serializers.Serializer[object]):
    terms = serializers.UUIDField()
    kind = serializers.ChoiceField(KINDS)
    grant_days = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=LONGEST_DAYS
    )
    pricing = PricingShape(required=False)
    recipients = serializers.ListField(
        child=serializers.SlugField(max_length=64),
        required=False,
        default=list,
        max_length=100,
        help_text="Organizations it is made to; empty: everybody sees it.",
    )
    bundled = serializers.ListField(
        child=serializers.SlugField(max_length=64),
        required=False,
        default=list,
        max_length=100,
        help_text="Names of further experiences of yours that the license opens.",
    )


class AcceptRequest(serializers.Serializer[object]):
    terms_sha256 = serializers.CharField(max_length=64, help_text="The hash of exactly the text you accept.")


class RevokeRequest(serializers.Serializer[object]):
    reason = serializers.CharField(max_length=300)


class GrantShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    organization = serializers.CharField(help_text="Who may use it.")
    experience = serializers.CharField(help_text="organization/name")
    state = serializers.ChoiceField(["not_started", "current", "ended", "revoked"])
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="null: until revoked.")
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_reason = serializers.CharField(allow_blank=True)
    uses = serializers.ListField(child=serializers.ChoiceField(USES))
    terms = TermsShape()
    seats = serializers.IntegerField(allow_null=True, help_text="Agents that may use it; null: all.")
    seats_taken = serializers.ListField(child=serializers.CharField(), help_text="Names of the agents that use it.")
    replays_quota = serializers.IntegerField(allow_null=True, help_text="A calendar month (UTC); null: any number.")
    replays_counted = serializers.IntegerField(help_text="This month, where replays are counted.")


class GrantPage(serializers.Serializer[object]):
    results = GrantShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)


class TemplateShape(serializers.Serializer[object]):
    name = serializers.CharField()
    title = serializers.CharField()
    title_ja = serializers.CharField()
    kind = serializers.ChoiceField(KINDS, help_text="Of the offer that usually goes with it.")
    uses = serializers.ListField(child=serializers.ChoiceField(USES))
    text = serializers.CharField()
    text_ja = serializers.CharField()
    rules = RulesShape()
    grant_days = serializers.IntegerField(allow_null=True)


class TemplateList(serializers.Serializer[object]):
    results = TemplateShape(many=True)


def terms_document(terms: Terms) -> dict[str, Any]:
    return {
        "id": terms.pk,
        "name": terms.name,
        "version": terms.version,
        "kind": terms.kind,
        "spdx": terms.spdx,
        "text_sha256": terms.text_sha256,
        "uses": terms.uses,
        "rules": read_rules(terms.rules).document(),
        "text_url": f"/api/v1/terms/{terms.pk}",
    }


def terms_with_text(terms: Terms) -> dict[str, Any]:
    return {
        **terms_document(terms),
        "organization": terms.organization.slug,
        "text": terms.text,
        "text_ja": terms.text_ja,
    }


def offer_document(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.pk,
        "kind": offer.kind,
        "terms": terms_document(offer.terms),
        "grant_days": offer.grant_days,
        "pricing": {field.name: getattr(offer, field.name) for field in fields(Pricing)},
        "price": in_words(offer.price_minor, offer.currency) if offer.price_minor else "",
        "is_private": offer.is_private,
        "bundled": [str(row) for row in offer.bundled.all()],
    }


def grant_document(grant: Grant, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """``usage`` is what ``sold.usage_of`` says of it; asked for here where it is not given."""
    offer = grant.acceptance.offer
    terms = offer.terms
    used = usage if usage is not None else usage_of([grant])[grant.pk]
    return {
        "id": grant.pk,
        "organization": grant.organization.slug,
        "experience": str(grant.experience),
        "state": state_of(
            starts_at=grant.starts_at, ends_at=grant.ends_at, revoked_at=grant.revoked_at, now=timezone.now()
        ),
        "starts_at": grant.starts_at,
        "ends_at": grant.ends_at,
        "revoked_at": grant.revoked_at,
        "revoked_reason": grant.revoked_reason,
        "uses": terms.uses,
        "terms": terms_document(terms),
        "seats": offer.seats,
        "seats_taken": [seat.agent.name for seat in used["seats"]],
        "replays_quota": offer.replays_quota,
        "replays_counted": used["replays"],
    }
