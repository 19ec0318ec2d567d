"""Terms, offers, acceptances and grants."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.interface import ActorView, checked, refusals
from experiences.access import experience_for
from licensing.access import terms_for
from licensing.domain.terms import USES
from licensing.models import Grant, Offer, Terms
from licensing.selectors import grants_concerning, offers_of
from licensing.services.accept_offer import accept_offer
from licensing.services.create_offer import create_offer
from licensing.services.create_terms import create_terms
from licensing.services.revoke_grant import revoke_grant


class TermsShape(serializers.ModelSerializer[Terms]):
    text_url = serializers.SerializerMethodField()

    class Meta:
        model = Terms
        fields = ["id", "name", "version", "kind", "spdx", "text_sha256", "uses", "text_url"]

    def get_text_url(self, terms: Terms) -> str:
        return f"/api/v1/terms/{terms.pk}"


class TermsWithText(TermsShape):
    class Meta(TermsShape.Meta):
        fields = [*TermsShape.Meta.fields, "text"]


class NewTerms(serializers.Serializer[Any]):
    name = serializers.SlugField(max_length=64)
    kind = serializers.ChoiceField(["spdx", "custom"])
    spdx = serializers.CharField(required=False, allow_blank=True, default="", max_length=200)
    text = serializers.CharField(required=False, allow_blank=True, default="", max_length=200_000)
    uses = serializers.ListField(child=serializers.ChoiceField(USES), allow_empty=False)


class OfferShape(serializers.ModelSerializer[Offer]):
    terms = TermsShape()

    class Meta:
        model = Offer
        fields = ["id", "kind", "terms", "grant_days"]


class NewOffer(serializers.Serializer[Any]):
    terms = serializers.UUIDField()
    kind = serializers.ChoiceField(["free", "organization"])
    grant_days = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=3650)


class AcceptRequest(serializers.Serializer[Any]):
    terms_sha256 = serializers.CharField(max_length=64, help_text="The hash of exactly the text you accept.")


class RevokeRequest(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)


class GrantShape(serializers.ModelSerializer[Grant]):
    organization = serializers.CharField(source="organization.slug")
    experience = serializers.CharField()
    uses = serializers.ListField(child=serializers.CharField(), source="acceptance.offer.terms.uses")
    text_sha256 = serializers.CharField(source="acceptance.text_sha256")

    class Meta:
        model = Grant
        fields = [
            "id",
            "organization",
            "experience",
            "starts_at",
            "ends_at",
            "revoked_at",
            "revoked_reason",
            "uses",
            "text_sha256",
        ]


class OrganizationTermsView(ActorView):
    @extend_schema(
        operation_id="create_terms",
        tags=["licensing"],
        request=NewTerms,
        responses={201: TermsWithText, **refusals(400, 401, 403, 404, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        self.actor.require("publish")
        found = organization_for(self.actor, organization)
        terms = create_terms(actor=self.actor, organization=found, **checked(NewTerms, request.data))
        return Response(TermsWithText(terms).data, status=201)


class TermsView(ActorView):
    """The exact text and its machine-readable uses."""

    @extend_schema(operation_id="get_terms", tags=["licensing"], responses={200: TermsWithText, **refusals(401, 404)})
    def get(self, request: Request, terms: str) -> Response:
        return Response(TermsWithText(terms_for(self.actor, terms)).data)


class OffersView(ActorView):
    @extend_schema(
        operation_id="list_offers", tags=["licensing"], responses={200: OfferShape(many=True), **refusals(401, 404)}
    )
    def get(self, request: Request, organization: str, name: str) -> Response:
        offers = offers_of(experience_for(self.actor, organization, name), self.actor)
        return Response(OfferShape(offers, many=True).data)

    @extend_schema(
        operation_id="create_offer",
        tags=["licensing"],
        request=NewOffer,
        responses={201: OfferShape, **refusals(400, 401, 403, 404, 422)},
    )
    def post(self, request: Request, organization: str, name: str) -> Response:
        experience = experience_for(self.actor, organization, name)
        self.actor.require("publish", experience.organization_id)
        wanted = checked(NewOffer, request.data)
        terms = terms_for(self.actor, wanted.pop("terms"))
        offer = create_offer(actor=self.actor, experience=experience, terms=terms, **wanted)
        return Response(OfferShape(offer).data, status=201)


class AcceptancesView(ActorView):
    """Accept an offer for your organization. Accepting again while the license holds gives the same one."""

    @extend_schema(
        operation_id="accept_offer",
        tags=["licensing"],
        request=AcceptRequest,
        responses={201: GrantShape, **refusals(400, 401, 403, 404, 409)},
    )
    def post(self, request: Request, offer: str) -> Response:
        self.actor.require("license")
        wanted = checked(AcceptRequest, request.data)
        grant = accept_offer(actor=self.actor, offer_id=offer, terms_sha256=wanted["terms_sha256"])
        return Response(GrantShape(grant).data, status=201)


class GrantsView(ActorView):
    @extend_schema(
        operation_id="list_grants", tags=["licensing"], responses={200: GrantShape(many=True), **refusals(401)}
    )
    def get(self, request: Request) -> Response:
        self.actor.require("read")
        return Response(GrantShape(grants_concerning(self.actor)[:500], many=True).data)


class GrantView(ActorView):
    @extend_schema(
        operation_id="revoke_grant",
        tags=["licensing"],
        request=RevokeRequest,
        responses={200: GrantShape, **refusals(400, 401, 403, 404)},
    )
    def delete(self, request: Request, grant: str) -> Response:
        self.actor.require("publish")
        wanted = checked(RevokeRequest, request.data)
        return Response(GrantShape(revoke_grant(actor=self.actor, grant_id=grant, reason=wanted["reason"])).data)
