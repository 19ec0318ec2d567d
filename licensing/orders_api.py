"""Orders, seats, requests for access, and what Stripe tells."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.interface import ActorView, PageQuery, checked, refusals
from accounts.paging import page
from licensing.domain.bookkeeping import in_words
from licensing.models import AccessRequest, Order
from licensing.services.change_order import KEY_LIMIT, cancel_order, refund_order
from licensing.services.decide_request import MESSAGE_LIMIT, ask_for_access, decide_request
from licensing.services.place_order import place_order
from licensing.services.receive_event import receive_event
from licensing.services.take_seat import release_seat


class OrderShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    experience = serializers.CharField(help_text="organization/name")
    offer = serializers.UUIDField()
    state = serializers.ChoiceField(["open", "paid", "refunded", "canceled"])
    driver = serializers.ChoiceField(["invoice", "stripe"])
    currency = serializers.CharField()
    net_minor = serializers.IntegerField(help_text="In the currency's smallest unit, like every amount here.")
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField(help_text="With tax; of a subscription, for each period.")
    credit_minor = serializers.IntegerField(help_text="Set off for what it replaces, without tax.")
    due_minor = serializers.IntegerField(help_text="What the first payment comes to.")
    total = serializers.CharField(help_text="What the first payment comes to, in words.")
    checkout_url = serializers.CharField(allow_blank=True, help_text="Where a person goes on to pay; empty by invoice.")
    period_end = serializers.DateTimeField(allow_null=True)
    ends_with_period = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class OrderPage(serializers.Serializer[object]):
    results = OrderShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)


class OrderRequest(serializers.Serializer[object]):
    terms_sha256 = serializers.CharField(max_length=64, help_text="The hash of exactly the text you accept.")
    coupon = serializers.CharField(required=False, allow_blank=True, default="", max_length=40)


class RefundRequest(serializers.Serializer[object]):
    key = serializers.CharField(max_length=KEY_LIMIT, help_text="Your own; the same one gives back once.")
    amount_minor = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Left out: all that is left."
    )


class AskRequest(serializers.Serializer[object]):
    message = serializers.CharField(max_length=MESSAGE_LIMIT)


class DecideRequest(serializers.Serializer[object]):
    approve = serializers.BooleanField()
    answer = serializers.CharField(required=False, allow_blank=True, default="", max_length=MESSAGE_LIMIT)


class AccessRequestShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    offer = serializers.UUIDField()
    organization = serializers.CharField()
    message = serializers.CharField()
    state = serializers.ChoiceField(["waiting", "approved", "declined"])
    answer = serializers.CharField(allow_blank=True)


class OfferOrdersView(ActorView):
    """Buy an offer for your organization. Ordering again while the order waits for payment is the same order."""

    @extend_schema(
        operation_id="place_order",
        tags=["licensing"],
        request=OrderRequest,
        responses={201: OrderShape, **refusals(400, 401, 403, 404, 409, 415, 422, 503)},
    )
    def post(self, request: Request, offer: str) -> Response:
        actor = self.actor
        actor.require("purchase")
        wanted = checked(OrderRequest, request.data)
        placed = place_order(
            actor=actor, offer_id=offer, return_url=request.build_absolute_uri("/organization/licenses"), **wanted
        )
        return Response(order_shape(placed), status=201)


class OrderListView(ActorView):
    """What your organization ordered, and what was ordered of it, newest first."""

    @extend_schema(
        operation_id="list_orders",
        tags=["licensing"],
        parameters=[PageQuery],
        responses={200: OrderPage, **refusals(400, 401, 403)},
    )
    def get(self, request: Request) -> Response:
        actor = self.actor
        actor.require("read")
        query = checked(PageQuery, request.query_params)
        rows = page(orders_concerning(actor.organization_id), query["cursor"], query["limit"], key="number")
        return Response({"results": [order_shape(row) for row in rows], "next": rows.next, "previous": rows.previous})


class OrderView(ActorView):
    """One order of your organization."""

    @extend_schema(
        operation_id="cancel_order",
        tags=["licensing"],
        responses={200: OrderShape, **refusals(401, 403, 404, 409, 503)},
    )
    def delete(self, request: Request, order: str) -> Response:
        """An unpaid one is given up; a subscription ends with the period that is paid."""
        return Response(order_shape(cancel_order(actor=self.actor, order_id=order)))


class OrderRefundsView(ActorView):
    """Give money back for an order of an experience of yours; the license follows from it."""

    @extend_schema(
        operation_id="refund_order",
        tags=["licensing"],
        request=RefundRequest,
        responses={200: OrderShape, **refusals(400, 401, 403, 404, 415, 422, 503)},
    )
    def post(self, request: Request, number: int) -> Response:
        actor = self.actor
        actor.require("publish")
        return Response(order_shape(refund_order(actor=actor, number=number, **checked(RefundRequest, request.data))))


class OfferRequestsView(ActorView):
    """Ask the publisher for an offer that a person decides about."""

    @extend_schema(
        operation_id="ask_for_access",
        tags=["licensing"],
        request=AskRequest,
        responses={201: AccessRequestShape, **refusals(400, 401, 403, 404, 415, 422)},
    )
    def post(self, request: Request, offer: str) -> Response:
        actor = self.actor
        actor.require("license")
        wanted = checked(AskRequest, request.data)
        return Response(_request(ask_for_access(actor=actor, offer_id=offer, **wanted)), status=201)


class AccessRequestView(ActorView):
    """Decide about a request for one of your offers."""

    @extend_schema(
        operation_id="decide_request",
        tags=["licensing"],
        request=DecideRequest,
        responses={200: AccessRequestShape, **refusals(400, 401, 403, 404, 409, 415)},
    )
    def post(self, request: Request, access_request: str) -> Response:
        actor = self.actor
        actor.require("publish")
        wanted = checked(DecideRequest, request.data)
        return Response(_request(decide_request(actor=actor, request_id=access_request, **wanted)))


class SeatView(ActorView):
    """The seat of one agent on a license of your organization."""

    @extend_schema(operation_id="release_seat", tags=["licensing"], responses={204: None, **refusals(401, 403, 404)})
    def delete(self, request: Request, grant: str, agent: str) -> Response:
        """Free it for another agent."""
        release_seat(actor=self.actor, grant_id=grant, agent=agent)
        return Response(status=204)


class StripeWebhookView(ActorView):
    """Stripe's messages. Nobody signs in here: the signature says who sent it."""

    authentication_classes = ()

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        from licensing.tasks import process_events_task

        row = receive_event(payload=request.body, signature=request.headers.get("Stripe-Signature", ""))
        process_events_task.delay()
        return Response({"event": row.event_id})


def orders_concerning(organization_id: int | None) -> Any:
    mine = Q(organization_id=organization_id) | Q(offer__experience__organization_id=organization_id)
    return Order.objects.filter(mine).select_related("offer__experience__organization", "organization")


def order_shape(order: Order) -> dict[str, Any]:
    return {
        "id": order.pk,
        "number": order.number,
        "experience": str(order.offer.experience),
        "offer": order.offer_id,
        "state": order.state,
        "driver": order.driver,
        "currency": order.currency,
        "net_minor": order.net_minor,
        "tax_minor": order.tax_minor,
        "total_minor": order.total_minor,
        "credit_minor": order.credit_minor,
        "due_minor": order.due_minor,
        "total": in_words(order.due_minor, order.currency),
        "checkout_url": order.checkout_url,
        "period_end": order.period_end,
        "ends_with_period": order.ends_with_period,
        "created_at": order.created_at,
    }


def _request(row: AccessRequest) -> dict[str, Any]:
    return {
        "id": row.pk,
        "offer": row.offer_id,
        "organization": row.organization.slug,
        "message": row.message,
        "state": row.state,
        "answer": row.answer,
    }
