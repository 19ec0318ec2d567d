"""The doors to offers, terms and grants: what is not open to the actor reads like what does not exist."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import NotFound
from accounts.models import Organization
from experiences.access import visible_experiences
from licensing.drivers import DRIVERS, Facts
from licensing.models import Acceptance, Grant, Offer, Terms
from licensing.offered import facts_of


def identifier(text: Any, what: str) -> uuid.UUID:
    """A row's id as a request names it. Raises NotFound: what is no id is found nowhere."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        raise NotFound(what) from None


def offer_for(actor: Actor, offer_id: Any) -> Offer:
    """An offer open to the actor's organization, on an experience the actor may see; or one that was, and is no
    longer active: the caller decides what that means. Raises NotFound.
    """
    offer = (
        Offer.objects.select_related("terms", "experience__organization")
        .filter(pk=identifier(offer_id, _("offer")), experience__in=visible_experiences(actor))
        .first()
    )
    if offer is None:
        raise NotFound(_("offer"))
    if not DRIVERS[offer.kind].may_see(facts_of(offer), buyer_id=actor.organization_id):
        raise NotFound(_("offer"))
    return offer


def own_offer_for(actor: Actor, offer_id: Any) -> Offer:
    """An offer on an experience of the actor's own organization. Raises NotFound."""
    offers = Offer.objects.select_related("terms", "experience__organization")
    found = offers.filter(pk=identifier(offer_id, _("offer"))).first()
    if found is None or not actor.acts_for(found.experience.organization_id):
        raise NotFound(_("offer"))
    return found


def terms_for(actor: Actor, terms_id: Any) -> Terms:
    """Terms of one's own, of an offer open to one, or that one's organization has accepted. Raises NotFound."""
    terms = Terms.objects.select_related("organization").filter(pk=identifier(terms_id, _("terms"))).first()
    if terms is None or not _may_read(actor, terms):
        raise NotFound(_("terms"))
    return terms


def _may_read(actor: Actor, terms: Terms) -> bool:
    buyer_id = actor.organization_id
    if buyer_id is not None:
        accepted = Acceptance.objects.filter(offer__terms=terms, organization_id=buyer_id)
        if actor.acts_for(terms.organization_id) or accepted.exists():
            return True
    offered = Offer.objects.filter(terms=terms, is_active=True, experience__in=visible_experiences(actor))
    if buyer_id is not None and offered.filter(is_private=True, recipients=buyer_id).exists():
        return True
    # Thousands of experiences may share the terms; what decides are the few distinct kinds.
    open_offers = offered.filter(is_private=False)
    kinds = open_offers.order_by().values_list("kind", "experience__organization_id", "grant_days").distinct()
    return any(
        DRIVERS[kind].may_see(Facts(publisher_id=publisher_id, grant_days=days), buyer_id=buyer_id)
        for kind, publisher_id, days in kinds
    )


def given_grant_for(actor: Actor, grant_id: Any) -> Grant:
    """A grant on an experience of the actor's own organization. Raises NotFound."""
    grants = Grant.objects.select_related("experience__organization", "organization__group", "acceptance__offer__terms")
    found = grants.filter(pk=identifier(grant_id, _("license"))).first()
    if found is None or not actor.acts_for(found.experience.organization_id):
        raise NotFound(_("license"))
    return found


def recipients_named(slugs: list[str]) -> list[Organization]:
    """The organizations that a private offer is made to. Raises NotFound for one that is not here."""
    found = {row.slug: row for row in Organization.objects.filter(slug__in=slugs)}
    for slug in slugs:
        if slug not in found:
            raise NotFound(_("organization '{slug}'").format(slug=slug))
    return list(found.values())
