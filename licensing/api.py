"""Terms, offers, acceptances and grants."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_for
from accounts.interface import ActorView, PageQuery, checked, refusals
from accounts.paging import page
from experiences.access import experience_for
from licensing import selectors
from licensing.access import offer_for, recipients_named, terms_for
from licensing.domain.templates import TEMPLATES
from licensing.policies import odrl_of
from licensing.services.accept_offer import accept_offer
from licensing.services.create_offer import Pricing, create_offer
from licensing.services.create_terms import create_terms
from licensing.services.revoke_grant import revoke_grant
from licensing.services.withdraw_offer import withdraw_offer
from licensing.shapes import (
    AcceptRequest,
    GrantPage,
    GrantShape,
    OfferList,
    OfferRequest,
    OfferShape,
    RevokeRequest,
    TemplateList,
    TermsList,
    TermsRequest,
    TermsWithText,
    grant_document,
    offer_document,
    terms_document,
    terms_with_text,
)
from licensing.sold import usage_of

LINKED_DATA = "application/ld+json"


class OrganizationTermsView(ActorView):
    """The terms an organization has written down."""

    @extend_schema(operation_id="list_terms", tags=["licensing"], responses={200: TermsList, **refusals(401, 403, 404)})
    def get(self, request: Request, organization: str) -> Response:
        found = organization_for(self.actor, organization)
        self.actor.require("read", found.pk)
        return Response({"results": [terms_document(row) for row in selectors.terms_of(found)]})

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
        return Response(terms_with_text(made), status=201)


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
        return Response(terms_with_text(found), headers={"Vary": "Accept"})


class OfferListView(ActorView):
    """The offers of an experience that are open to the asker."""

    @extend_schema(operation_id="list_offers", tags=["licensing"], responses={200: OfferList, **refusals(401, 404)})
    def get(self, request: Request, organization: str, name: str) -> Response:
        offers = selectors.offers_of(experience_for(self.actor, organization, name), self.actor)
        return Response({"results": [offer_document(row) for row in offers]})

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
        return Response(offer_document(made), status=201)


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
        return Response(offer_document(found), headers={"Vary": "Accept"})

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
        return Response(grant_document(grant), status=201)


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
        found = [grant_document(row, usage[row.pk]) for row in rows]
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
        return Response(grant_document(revoke_grant(actor=actor, grant_id=grant, reason=wanted["reason"])))


def linked_data(document: dict[str, Any]) -> HttpResponse:
    body = json.dumps(document, ensure_ascii=False)
    return HttpResponse(body, content_type=LINKED_DATA, headers={"Vary": "Accept"})
