"""Webhooks of an organization and what became of each delivery."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.access import delivery_for, organization_for, webhook_for
from accounts.domain.events import EVENTS
from accounts.interface import ActorView, PageQuery, checked, refusals
from accounts.models import Webhook, WebhookDelivery
from accounts.paging import page
from accounts.services.change_webhook import change_webhook, delete_webhook, rotate_secret
from accounts.services.create_webhook import create_webhook
from accounts.services.resend_webhook import redeliver, send_test

UNKEPT = {"Cache-Control": "no-store"}


class WebhookShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.ChoiceField(list(EVENTS)))
    is_active = serializers.BooleanField()
    disabled_reason = serializers.CharField(allow_blank=True, help_text="person, failures, gone; empty while active.")
    failures = serializers.IntegerField(help_text="Attempts in a row that failed.")
    created_at = serializers.DateTimeField()


class NewWebhookShape(WebhookShape):
    secret = serializers.CharField(help_text="whsec_…: it is in this one answer and never shown again.")


class WebhookList(serializers.Serializer[object]):
    results = WebhookShape(many=True)


class WebhookRequest(serializers.Serializer[object]):
    url = serializers.CharField(max_length=2000)
    events = serializers.ListField(child=serializers.CharField(max_length=60), max_length=50)


class WebhookChange(serializers.Serializer[object]):
    url = serializers.CharField(max_length=2000, required=False, allow_null=True, default=None)
    events = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=50, required=False, allow_null=True, default=None
    )
    is_active = serializers.BooleanField(required=False, allow_null=True, default=None)


class DeliveryShape(serializers.Serializer[object]):
    id = serializers.IntegerField()
    message_id = serializers.CharField(help_text="The header webhook-id: the same for every attempt and redelivery.")
    event = serializers.CharField()
    payload = serializers.DictField(help_text="The member data of what is sent.")
    state = serializers.ChoiceField(WebhookDelivery.State.values)
    attempts = serializers.IntegerField()
    last_status = serializers.IntegerField(allow_null=True, help_text="null: there was no answer.")
    last_trouble = serializers.CharField(allow_blank=True)
    last_at = serializers.DateTimeField(allow_null=True)
    next_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried next; null when it is over.")
    created_at = serializers.DateTimeField()


class DeliveryPage(serializers.Serializer[object]):
    results = DeliveryShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="A cursor, not an address.")
    previous = serializers.CharField(allow_null=True)


class WebhookListView(ActorView):
    """Webhooks: for owners."""

    @extend_schema(
        operation_id="list_webhooks", tags=["accounts"], responses={200: WebhookList, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str) -> Response:
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        return Response({"results": [_webhook(row) for row in selectors.webhooks_of(found)]})

    @extend_schema(
        operation_id="create_webhook",
        tags=["accounts"],
        request=WebhookRequest,
        responses={201: NewWebhookShape, **refusals(400, 401, 403, 404, 409, 415, 422)},
    )
    def post(self, request: Request, organization: str) -> Response:
        """Have an address told of events. The answer holds the signing secret; it cannot be shown again."""
        actor = self.actor
        found = organization_for(actor, organization)
        actor.require("admin", found.pk)
        wanted = checked(WebhookRequest, request.data)
        row, secret = create_webhook(actor=actor, organization=found, url=wanted["url"], kinds=wanted["events"])
        return Response({**_webhook(row), "secret": secret}, status=201, headers=UNKEPT)


class WebhookView(ActorView):
    """One webhook."""

    @extend_schema(
        operation_id="get_webhook", tags=["accounts"], responses={200: WebhookShape, **refusals(401, 403, 404)}
    )
    def get(self, request: Request, organization: str, webhook: UUID) -> Response:
        return Response(_webhook(self._found(organization, webhook)))

    @extend_schema(
        operation_id="change_webhook",
        tags=["accounts"],
        request=WebhookChange,
        responses={200: WebhookShape, **refusals(400, 401, 403, 404, 415, 422)},
    )
    def patch(self, request: Request, organization: str, webhook: UUID) -> Response:
        """Another address, other events, on or off. Switched on again, what waits is sent."""
        found = self._found(organization, webhook)
        wanted = checked(WebhookChange, request.data)
        row = change_webhook(
            actor=self.actor,
            webhook=found,
            url=wanted["url"],
            kinds=wanted["events"],
            is_active=wanted["is_active"],
        )
        return Response(_webhook(row))

    @extend_schema(operation_id="delete_webhook", tags=["accounts"], responses={204: None, **refusals(401, 403, 404)})
    def delete(self, request: Request, organization: str, webhook: UUID) -> Response:
        delete_webhook(actor=self.actor, webhook=self._found(organization, webhook))
        return Response(status=204)

    def _found(self, organization: str, webhook: UUID) -> Webhook:
        return webhook_for(self.actor, organization_for(self.actor, organization), webhook)


class WebhookSecretView(ActorView):
    """A webhook's signing secret."""

    @extend_schema(
        operation_id="rotate_webhook_secret",
        tags=["accounts"],
        request=None,
        responses={200: NewWebhookShape, **refusals(401, 403, 404)},
    )
    def post(self, request: Request, organization: str, webhook: UUID) -> Response:
        """A new secret; for a day deliveries are signed with the old one, too."""
        found = webhook_for(self.actor, organization_for(self.actor, organization), webhook)
        row, secret = rotate_secret(actor=self.actor, webhook=found)
        return Response({**_webhook(row), "secret": secret}, headers=UNKEPT)


class WebhookTestView(ActorView):
    """A test of a webhook."""

    @extend_schema(
        operation_id="test_webhook",
        tags=["accounts"],
        request=None,
        responses={202: DeliveryShape, **refusals(401, 403, 404, 409)},
    )
    def post(self, request: Request, organization: str, webhook: UUID) -> Response:
        """Send it the event ``webhook.test``."""
        found = webhook_for(self.actor, organization_for(self.actor, organization), webhook)
        return Response(_delivery(send_test(actor=self.actor, webhook=found)), status=202)


class DeliveryListView(ActorView):
    """What was sent to a webhook, newest first; kept for thirty days."""

    @extend_schema(
        operation_id="list_webhook_deliveries",
        tags=["accounts"],
        parameters=[PageQuery],
        responses={200: DeliveryPage, **refusals(400, 401, 403, 404)},
    )
    def get(self, request: Request, organization: str, webhook: UUID) -> Response:
        found = webhook_for(self.actor, organization_for(self.actor, organization), webhook)
        query = checked(PageQuery, request.query_params)
        rows = page(selectors.deliveries_of(found), query["cursor"], query["limit"])
        return Response({"results": [_delivery(row) for row in rows], "next": rows.next, "previous": rows.previous})


class RedeliveryView(ActorView):
    """One delivery, once more."""

    @extend_schema(
        operation_id="redeliver_webhook",
        tags=["accounts"],
        request=None,
        responses={202: DeliveryShape, **refusals(401, 403, 404, 409)},
    )
    def post(self, request: Request, organization: str, webhook: UUID, delivery: int) -> Response:
        """Send it again at once, under the same ``webhook-id``."""
        found = webhook_for(self.actor, organization_for(self.actor, organization), webhook)
        return Response(_delivery(redeliver(actor=self.actor, delivery=delivery_for(found, delivery))), status=202)


def _webhook(row: Webhook) -> dict[str, Any]:
    return {
        "id": row.pk,
        "url": row.url,
        "events": row.kinds,
        "is_active": row.is_active,
        "disabled_reason": row.disabled_reason,
        "failures": row.failures,
        "created_at": row.created_at,
    }


def _delivery(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": row.pk,
        "message_id": row.message_id,
        "event": row.event.kind,
        "payload": row.event.data,
        "state": row.state,
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_trouble": row.last_trouble,
        "last_at": row.last_at,
        "next_at": row.not_before if row.state == WebhookDelivery.State.WAITING else None,
        "created_at": row.created_at,
    }
