"""The publisher answers a rating; an empty text takes the answer back."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.services import audit
from marketplace.models import Rating, RatingEdit
from marketplace.services.pacing import refuse_haste
from marketplace.services.rate import checked_text

REPLIES_LIMIT = 60
REPLIES_WITHIN = timedelta(hours=1)


def reply(*, actor: Actor, rating: Rating, text: str) -> Rating:
    """The rating with its reply. The same again changes nothing. ``rating`` comes from ``marketplace.reviews``.

    Raises Forbidden for anybody but the publisher, Invalid ``rating_too_long``, TooManyRequests.
    """
    actor.require("publish", rating.experience.organization_id)
    plain = checked_text(text)
    written = RatingEdit.objects.filter(organization_id=rating.experience.organization_id, part=RatingEdit.Part.REPLY)
    with transaction.atomic(durable=True):
        row = Rating.objects.select_for_update(of=("self",)).select_related("experience__organization")
        found = row.get(pk=rating.pk)
        if found.reply == plain:
            return found
        refuse_haste(written, limit=REPLIES_LIMIT, within=REPLIES_WITHIN)
        found.reply, found.replied_at = plain, timezone.now() if plain else None
        found.save(update_fields=["reply", "replied_at"])
        RatingEdit.objects.create(
            rating=found,
            part=RatingEdit.Part.REPLY,
            organization_id=found.experience.organization_id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            content={"text": plain},
        )
        audit.record(
            actor=actor,
            action="rating.reply",
            target=str(found.experience),
            organization_id=found.experience.organization_id,
            details={"rating": found.pk},
        )
    return found
