"""Terms, offers, acceptances and grants."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.interface import ActorView, PageQuery, checked, refusals
from accounts.paging import page
from experiences.access import experience_for
from licensing import selectors
from licensing.access import offer_for, recipients_named, terms_for
from licensing.domain.bookkeeping import in_words
from licensing.domain.grants import state_of
from licensing.domain.rules import AUDIENCES, read_rules
from licensing.domain.templates import TEMPLATES
from licensing.domain.terms import TEXT_LIMIT, USES
from licensing.drivers import DRIVERS
from licensing.models import Grant, Offer, Terms
from licensing.policies import odrl_of
from licensing.services.accept_offer import accept_offer
from licensing.services.create_offer import LONGEST_DAYS, Pricing, create_offer
from licensing.services.create_terms import create_terms
from licensing.services.revoke_grant import revoke_grant
from licensing.services.withdraw_offer import withdraw_offer
from licensing.sold import usage_of

KINDS = list(DRIVERS)
LINKED_DATA = "application/ld+json"


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


class OrganizationTermsView(ActorView):
    """The terms an organization has written down."""

    @extend_schema(operation_id="list_terms", tags=["licensing"], responses={200: TermsList, **refusals(401, 403, 404)})
    def get(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        self.actor.require("read", found.pk)
        return Response({"results": [_terms(row) for row in selectors.terms_of(found)]})

    @extend_schema(
        operation_id="create_terms",
        tags=["licensing"],
        request=TermsRequest,
        responses={201: TermsWithText, **refusals(400, 401, 403, 404, 413, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        """Write terms down. The same content as the newest version of that name answers with that version."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("publish", found.pk)
        made = create_terms(actor=actor, organization=found, **checked(TermsRequest, request.data))
        return Response(_terms_with_text(made), status=201)


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


class TermsTemplatesView(ActorView):
    """Terms to start from, filled in for an organization. They are no legal advice."""

    @extend_schema(
        operation_id="list_terms_templates", tags=["licensing"], responses={200: TemplateList, **refusals(401, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        self.actor.require_known()
        found = organization_for(self.actor, organization)
        return Response({"results": [template.filled(found.name) for template in TEMPLATES.values()]})


class TermsView(ActorView):
    """The exact texts and what machines read of them; with ``Accept: text/plain`` exactly what is accepted and hashed,
    with ``application/ld+json`` the terms as ODRL.
    """

    @extend_schema(
        operation_id="get_terms",
        tags=["licensing"],
        responses={
            (200, "application/json"): TermsWithText,
            (200, "text/plain"): OpenApiTypes.STR,
            (200, LINKED_DATA): OpenApiTypes.OBJECT,
            **refusals(401, 404),
        },
    )
    def get(self, request: Request, terms: str) -> Response | HttpResponse:
        found = terms_for(self.actor, terms)
        wanted = request.headers.get("Accept", "").lower()
        if wanted.startswith("text/plain"):
            return HttpResponse(found.document, content_type="text/plain; charset=utf-8", headers={"Vary": "Accept"})
        if wanted.startswith(LINKED_DATA):
            return linked_data(odrl_of(found))
        return Response(_terms_with_text(found), headers={"Vary": "Accept"})


class OfferListView(ActorView):
    """The offers of an experience that are open to the asker."""

    @extend_schema(operation_id="list_offers", tags=["licensing"], responses={200: OfferList, **refusals(401, 404)})
    def get(self, request: Request, organization: str, name: str) -> Response:
        offers = selectors.offers_of(experience_for(self.actor, organization, name), self.actor)
        return Response({"results": [_offer(row) for row in offers]})

    @extend_schema(
        operation_id="create_offer",
        tags=["licensing"],
        request=OfferRequest,
        responses={201: OfferShape, **refusals(400, 401, 403, 404, 415, 422)},
    )
    def post(self, request: Request, organization: str, name: str) -> Response:
        """Offer an experience on terms of one's own. It replaces the active offer of the same kind; grants stay."""
        actor = self.actor
        actor.require_known()
        experience = experience_for(actor, organization, name)
        actor.require("publish", experience.organization_id)
        wanted = checked(OfferRequest, request.data)
        terms = terms_for(actor, wanted["terms"])
        made = create_offer(
            actor=actor,
            experience=experience,
            terms=terms,
            kind=wanted["kind"],
            grant_days=wanted["grant_days"],
            pricing=Pricing(**wanted.get("pricing", {})),
            recipients=recipients_named(wanted["recipients"]),
            bundled=[experience_for(actor, organization, name) for name in wanted["bundled"]],
        )
        return Response(_offer(made), status=201)


class OfferView(ActorView):
    """One offer that is open to the asker."""

    @extend_schema(
        operation_id="get_offer",
        tags=["licensing"],
        responses={
            (200, "application/json"): OfferShape,
            (200, LINKED_DATA): OpenApiTypes.OBJECT,
            **refusals(401, 404),
        },
    )
    def get(self, request: Request, offer: str) -> Response | HttpResponse:
        """With ``Accept: application/ld+json`` as an offer in ODRL: the terms, the price and what it is limited to."""
        found = offer_for(self.actor, offer)
        if request.headers.get("Accept", "").lower().startswith(LINKED_DATA):
            return linked_data(odrl_of(found.terms, found))
        return Response(_offer(found), headers={"Vary": "Accept"})

    @extend_schema(operation_id="withdraw_offer", tags=["licensing"], responses={204: None, **refusals(401, 403, 404)})
    def delete(self, request: Request, offer: str) -> Response:
        """Nobody can accept it from now on. Grants given on it stay."""
        withdraw_offer(actor=self.actor, offer_id=offer)
        return Response(status=204)


class AcceptanceListView(ActorView):
    """Accept an offer for your organization. Accepting again while the license holds gives the same one."""

    @extend_schema(
        operation_id="accept_offer",
        tags=["licensing"],
        request=AcceptRequest,
        responses={201: GrantShape, **refusals(400, 401, 403, 404, 409, 415)},
    )
    def post(self, request: Request, offer: str) -> Response:
        actor = self.actor
        actor.require("license")
        wanted = checked(AcceptRequest, request.data)
        grant = accept_offer(actor=actor, offer_id=offer, terms_sha256=wanted["terms_sha256"])
        return Response(_grant(grant), status=201)


class GrantListView(ActorView):
    """Licenses that your organization holds, and those on experiences of its own, newest first."""

    @extend_schema(
        operation_id="list_grants",
        tags=["licensing"],
        parameters=[PageQuery],
        responses={200: GrantPage, **refusals(400, 401, 403)},
    )
    def get(self, request: Request) -> Response:
        actor = self.actor
        actor.require("read")
        query = checked(PageQuery, request.query_params)
        # Each grant has one acceptance, and acceptances are counted.
        rows = page(selectors.grants_concerning(actor), query["cursor"], query["limit"], key="acceptance_id")
        usage = usage_of(list(rows))
        found = [_grant(row, usage[row.pk]) for row in rows]
        return Response({"results": found, "next": rows.next, "previous": rows.previous})


class GrantView(ActorView):
    """One license that an experience of your organization has given."""

    @extend_schema(
        operation_id="revoke_grant",
        tags=["licensing"],
        request=RevokeRequest,
        responses={200: GrantShape, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def delete(self, request: Request, grant: str) -> Response:
        """Take it back, with a reason for its holder to read. It permits nothing from the next request on."""
        actor = self.actor
        actor.require("publish")
        wanted = checked(RevokeRequest, request.data)
        return Response(_grant(revoke_grant(actor=actor, grant_id=grant, reason=wanted["reason"])))


def _terms(terms: Terms) -> dict[str, Any]:
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


def _terms_with_text(terms: Terms) -> dict[str, Any]:
    return {**_terms(terms), "organization": terms.organization.slug, "text": terms.text, "text_ja": terms.text_ja}


def linked_data(document: dict[str, Any]) -> HttpResponse:
    body = json.dumps(document, ensure_ascii=False)
    return HttpResponse(body, content_type=LINKED_DATA, headers={"Vary": "Accept"})


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.pk,
        "kind": offer.kind,
        "terms": _terms(offer.terms),
        "grant_days": offer.grant_days,
        "pricing": {field.name: getattr(offer, field.name) for field in fields(Pricing)},
        "price": in_words(offer.price_minor, offer.currency) if offer.price_minor else "",
        "is_private": offer.is_private,
        "bundled": [str(row) for row in offer.bundled.all()],
    }


def _grant(grant: Grant, usage: dict[str, Any] | None = None) -> dict[str, Any]:
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
        "terms": _terms(terms),
        "seats": offer.seats,
        "seats_taken": [seat.agent.name for seat in used["seats"]],
        "replays_quota": offer.replays_quota,
        "replays_counted": used["replays"],
    }
