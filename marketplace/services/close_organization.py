"""The last owner closes an organization: nobody belongs to it any more, and what it did stays where it is."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Agent, Membership, Organization
from accounts.services import audit
from accounts.services.members import locked_members
from experiences.models import Version
from licensing.models import Order
from licensing.selectors import unended_grants
from licensing.sold import owed_to


def close_organization(*, actor: Actor, organization: Organization, confirmation: str) -> None:
    """Its keys, agents, webhooks, invitations and the membership end; its name is never given to another.

    ``confirmation`` is the organization's short name. Raises Unauthenticated, Forbidden, Invalid
    ``confirmation_wrong``, Conflict ``organization_in_use`` naming what is in the way.
    """
    with transaction.atomic(durable=True):
        members = locked_members(actor, organization)
        if confirmation.strip() != organization.slug:
            raise Invalid(
                "confirmation_wrong",
                _("This is not the organization's short name."),
                _("Type {slug} to close it. Nothing was closed.").format(slug=organization.slug),
            )
        _refuse_in_use(organization, members)
        now = timezone.now()
        Organization.objects.filter(pk=organization.pk).update(closed_at=now)
        organization.api_keys.filter(revoked_at__isnull=True).update(revoked_at=now)
        Agent.objects.filter(organization=organization).update(is_active=False)
        organization.webhooks.all().delete()
        organization.invitations.filter(accepted_at__isnull=True).delete()
        Membership.objects.filter(organization=organization).delete()
        next(member for member in members if member.person_id == actor.id).person.groups.remove(organization.group)
        audit.record(
            actor=actor, action="organization.close", target=organization.slug, organization_id=organization.pk
        )


def _refuse_in_use(organization: Organization, members: list[Membership]) -> None:
    listed = Version.objects.filter(experience__organization=organization, yanked_at__isnull=True)
    given = unended_grants().filter(experience__organization=organization).exclude(organization=organization)
    running = Q(state=Order.State.PAID, ends_with_period=False) & ~Q(offer__interval="")
    orders = Order.objects.filter(Q(state=Order.State.OPEN) | running, organization=organization)
    in_the_way = {
        "members": (len(members) > 1, _("other members: remove them or hand the organization over")),
        "versions": (listed.exists(), _("versions in the listing: withdraw them")),
        "licenses": (given.exists(), _("licenses of others in force: let them end")),
        "orders": (orders.exists(), _("open orders or running subscriptions: cancel them")),
        "earnings": (
            any(row["owed_minor"] for row in owed_to(organization)),
            _("earnings not paid out yet: wait for them"),
        ),
    }
    found = {name: words for name, (is_there, words) in in_the_way.items() if is_there}
    if found:
        raise Conflict(
            "organization_in_use",
            _("The organization is still in use."),
            _("In the way are {reasons}.").format(reasons="; ".join(found.values())),
            {"in_the_way": list(found)},
        )
