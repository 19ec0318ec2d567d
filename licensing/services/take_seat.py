"""An agent takes one of a license's seats, or gives it up. Counted under the lock of the grant's row."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, NotFound
from accounts.services import audit
from licensing.access import identifier
from licensing.models import Grant, Seat


def locked_grant(grant_id: uuid.UUID) -> Grant:
    """Whoever counts what a license still allows waits here for those who count before."""
    rows = Grant.objects.select_for_update(of=("self",), no_key=True).select_related("acceptance__offer__terms")
    return rows.get(pk=grant_id)


def take_seat(*, actor: Actor, grant: Grant) -> Seat | None:
    """The agent's seat, taken now if it has none; None where seats are not counted or a person asks.

    Raises Forbidden ``seats_taken``.
    """
    if actor.kind != "agent" or actor.id is None or grant.acceptance.offer.seats is None:
        return None
    taken = Seat.objects.filter(grant=grant, agent_id=actor.id, released_at__isnull=True).first()
    if taken is not None:
        return taken
    with transaction.atomic():  # a door decides within its own transaction
        row = locked_grant(grant.pk)
        seats = row.acceptance.offer.seats
        in_use = Seat.objects.filter(grant=row, released_at__isnull=True)
        if (mine := in_use.filter(agent_id=actor.id).first()) is not None:
            return mine
        if seats is not None and in_use.count() >= seats:
            raise Forbidden(
                "seats_taken",
                _("All {count} seats of this license are taken by other agents.").format(count=seats),
                _("Ask an owner of your organization to free a seat, or to buy more."),
                {"grant": str(grant.pk)},
            )
        seat = Seat.objects.create(grant=row, agent_id=actor.id)
        _record(actor, row, "seat.take", actor.name)
    return seat


def release_seat(*, actor: Actor, grant_id: object, agent: str) -> None:
    """Free the seat of an agent; free already is fine. Raises Unauthenticated, Forbidden, NotFound."""
    actor.require("license")
    assert actor.organization_id is not None, "the scope comes with an organization"
    with transaction.atomic(durable=True):
        grants = Grant.objects.select_for_update(of=("self",), no_key=True).filter(
            pk=identifier(grant_id, _("license")), organization_id=actor.organization_id
        )
        grant = grants.first()
        if grant is None:
            raise NotFound(_("license"))
        taken = Seat.objects.filter(grant=grant, agent__name=agent, released_at__isnull=True)
        if taken.update(released_at=timezone.now()):
            _record(actor, grant, "seat.release", agent)


def _record(actor: Actor, grant: Grant, action: str, agent: str) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=agent,
        organization_id=grant.organization_id,
        details={"grant": str(grant.pk)},
    )
