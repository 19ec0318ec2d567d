"""Say that a rating was helpful, or take that back: once per organization and per person, never for one's own."""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden
from accounts.services.constraints import broken_constraint
from marketplace.interest import belongs_to_any
from marketplace.models import HelpfulVote, Rating
from marketplace.services.pacing import refuse_haste

VOTES_LIMIT = 60
VOTES_WITHIN = timedelta(hours=1)
ONCE = {"helpful_once_per_organization", "helpful_once_per_person"}


def vote_helpful(*, actor: Actor, rating: Rating, is_helpful: bool) -> int:
    """How many find it helpful now. The same vote again changes nothing.

    Raises Forbidden ``own_rating`` for its author and the publisher and their people, Conflict ``voted_already`` for a
    person who voted for another organization, TooManyRequests.
    """
    actor.require("rate")
    assert actor.organization_id is not None, "a scope beyond read comes with an organization"
    _refuse_interested(actor, rating)
    votes = HelpfulVote.objects.filter(rating=rating)
    own = votes.filter(organization_id=actor.organization_id)
    if not is_helpful:
        own.delete()
    elif not own.exists():
        refuse_haste(
            HelpfulVote.objects.filter(organization_id=actor.organization_id), limit=VOTES_LIMIT, within=VOTES_WITHIN
        )
        _add(actor, actor.organization_id, rating)
    return votes.count()


def _add(actor: Actor, organization_id: int, rating: Rating) -> None:
    person_id = actor.id if actor.kind == "person" else None
    try:
        with transaction.atomic():
            HelpfulVote.objects.create(rating=rating, organization_id=organization_id, person_id=person_id)
    except IntegrityError as error:
        broken = broken_constraint(error)
        if broken not in ONCE:
            raise
        if broken == "helpful_once_per_person":
            raise Conflict(
                "voted_already",
                _("You have said so for another of your organizations."),
                _("One voice per person is counted."),
            ) from None


def _refuse_interested(actor: Actor, rating: Rating) -> None:
    interested = {rating.organization_id, rating.experience.organization_id}
    if belongs_to_any(actor, interested):
        raise Forbidden(
            "own_rating",
            _("Neither the author of a rating nor the publisher says whether it is helpful."),
            _("Leave it to the others."),
        )
