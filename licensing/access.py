"""The doors to offers, terms and grants."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import NotFound
from experiences.access import visible_experiences
from licensing.drivers import DRIVERS
from licensing.models import Grant, Offer, Terms


def identifier(text: Any) -> uuid.UUID | None:
    """A row's id as a request names it; None for anything else, which then is found nowhere."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def offer_for(actor: Actor, offer_id: Any) -> Offer:
    """An active offer of an experience the actor may see. Raises NotFound."""
    offer = (
        Offer.objects.select_related("terms", "experience__organization")
        .filter(pk=identifier(offer_id), is_active=True, experience__in=visible_experiences(actor))
        .first()
    )
    if offer is None or not DRIVERS[offer.kind].may_see(
        buyer_id=actor.organization_id, publisher_id=offer.experience.organization_id
    ):
        raise NotFound(_("offer"))
    return offer


def terms_for(actor: Actor, terms_id: Any) -> Terms:
    """Terms of one's own, or of an experience one may see, or that one's organization has accepted. Raises NotFound."""
    found = Terms.objects.filter(pk=identifier(terms_id)).filter(
        Q(organization_id=actor.organization_id)
        | Q(offers__experience__in=visible_experiences(actor))
        | Q(offers__acceptances__organization_id=actor.organization_id)
    )
    terms = found.select_related("organization").first()
    if terms is None:
        raise NotFound(_("terms"))
    return terms


def given_grant_for(actor: Actor, grant_id: Any) -> Grant:
    """A grant on an experience of the actor's own organization. Raises NotFound."""
    grant = (
        Grant.objects.select_related("experience__organization", "organization__group")
        .filter(pk=identifier(grant_id), experience__organization_id=actor.organization_id)
        .first()
    )
    if grant is None:
        raise NotFound(_("license"))
    return grant
