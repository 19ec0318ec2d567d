"""An organization asks for an offer on request; a person at the publisher decides."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid, NotFound
from accounts.services import audit
from licensing.access import identifier, offer_for
from licensing.models import AccessRequest, Offer

MESSAGE_LIMIT = 2000


def ask_for_access(*, actor: Actor, offer_id: Any, message: str) -> AccessRequest:
    """The request; asking again is the same one, and asking again after a refusal opens it anew."""
    actor.require("license")
    assert actor.organization_id is not None, "the scope comes with an organization"
    offer = offer_for(actor, offer_id)
    message = message.strip()
    if offer.kind != Offer.Kind.REQUEST or not offer.is_active:
        raise Invalid("offer_not_on_request", _("Nobody needs to be asked for this."), _("Accept the offer."))
    if not message or len(message) > MESSAGE_LIMIT or "\0" in message:
        raise Invalid(
            "message_invalid",
            _("A request needs a message of at most {limit} characters.").format(limit=MESSAGE_LIMIT),
            _("Say who you are and what you need it for."),
        )
    with transaction.atomic(durable=True):
        row, created = AccessRequest.objects.select_for_update().get_or_create(
            offer=offer,
            organization_id=actor.organization_id,
            defaults={"message": message, "asked_by_name": actor.seen_from_outside().name[:100]},
        )
        if created or row.state == AccessRequest.State.DECLINED:
            row.state, row.message, row.decided_at = AccessRequest.State.WAITING, message, None
            row.save(update_fields=["state", "message", "decided_at"])
            _record(actor, row, "access.ask", actor.organization_id)
    return row


def decide_request(*, actor: Actor, request_id: Any, approve: bool, answer: str = "") -> AccessRequest:
    """Deciding the same again changes nothing. Raises Forbidden, NotFound, Conflict ``already_decided``."""
    actor.require("publish")
    with transaction.atomic(durable=True):
        rows = AccessRequest.objects.select_for_update(of=("self",)).select_related("offer__experience")
        row = rows.filter(pk=identifier(request_id, _("request"))).first()
        if row is None or not actor.acts_for(row.offer.experience.organization_id):
            raise NotFound(_("request"))
        wanted = AccessRequest.State.APPROVED if approve else AccessRequest.State.DECLINED
        if row.state == wanted:
            return row
        if row.state != AccessRequest.State.WAITING:
            raise Conflict("already_decided", _("This request was decided before."), _("Revoke the license instead."))
        row.state, row.answer, row.decided_at = wanted, answer.strip()[:MESSAGE_LIMIT], timezone.now()
        row.save(update_fields=["state", "answer", "decided_at"])
        _record(actor, row, f"access.{wanted}", row.organization_id)
    return row


def _record(actor: Actor, row: AccessRequest, action: str, organization_id: int | None) -> None:
    audit.record(
        actor=actor if organization_id == actor.organization_id else actor.seen_from_outside(),
        action=action,
        target=str(row.offer.experience),
        organization_id=organization_id,
        details={"request": str(row.pk), "offer": str(row.offer_id)},
    )
