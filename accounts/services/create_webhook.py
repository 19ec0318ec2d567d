"""An owner names an address that is told of the organization's events."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict
from accounts.domain.webhooks import new_secret
from accounts.models import Organization, Webhook
from accounts.services import audit
from accounts.services.sealing import sealed
from accounts.services.webhooks import administers, checked_kinds, checked_url

WEBHOOKS_MAX = 20


def create_webhook(*, actor: Actor, organization: Organization, url: str, kinds: Sequence[str]) -> tuple[Webhook, str]:
    """The webhook and the secret that its deliveries are signed with, which is never shown again.

    Raises Unauthenticated, Forbidden, Invalid ``webhook_url_invalid`` or ``webhook_events_invalid``, Conflict
    ``webhooks_too_many``.
    """
    administers(actor, organization)
    url, wanted = checked_url(url), checked_kinds(kinds)
    secret = new_secret()
    with transaction.atomic(durable=True):
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        if organization.webhooks.count() >= WEBHOOKS_MAX:
            raise Conflict(
                "webhooks_too_many",
                _("An organization has at most {limit} webhooks.").format(limit=WEBHOOKS_MAX),
                _("Delete one first."),
            )
        hook = Webhook.objects.create(
            organization=organization,
            url=url,
            kinds=wanted,
            sealed_secret=sealed(secret),
            created_by_name=actor.name[:100],
        )
        audit.record(
            actor=actor,
            action="webhook.create",
            target=url,
            organization_id=organization.pk,
            details={"webhook": str(hook.pk), "events": wanted},
        )
    return hook, secret
