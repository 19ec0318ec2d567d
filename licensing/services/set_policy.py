"""An owner says what the organization's agents may buy by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Organization
from accounts.services import audit
from licensing.access import recipients_named
from licensing.models import PurchasePolicy
from licensing.services.create_offer import CURRENCIES, LARGEST_PRICE_MINOR


def set_policy(
    *, actor: Actor, organization: Organization, agent_month_minor: int, currency: str, publishers: Sequence[str]
) -> PurchasePolicy:
    """Holds from the next order on; orders placed stay. Setting the same again changes nothing.

    Raises Unauthenticated, Forbidden, NotFound for a publisher that is not here, Invalid ``policy_invalid``.
    """
    actor.require("admin", organization.pk)
    if not 0 <= agent_month_minor <= LARGEST_PRICE_MINOR or currency not in CURRENCIES:
        raise Invalid(
            "policy_invalid",
            _("A budget is an amount from zero on in one of {names}.").format(names=", ".join(CURRENCIES)),
            _("Correct it and send it again; nothing was changed."),
        )
    slugs = sorted(row.slug for row in recipients_named(list(publishers)))
    wanted = {"agent_month_minor": agent_month_minor, "currency": currency, "publishers": slugs}
    with transaction.atomic(durable=True):
        # An order counts under this lock: no agent buys between what it was allowed and what it is.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        before = PurchasePolicy.objects.filter(organization=organization).first()
        if before is not None and all(getattr(before, name) == value for name, value in wanted.items()):
            return before
        policy, _created = PurchasePolicy.objects.update_or_create(organization=organization, defaults=wanted)
        audit.record(
            actor=actor, action="policy.set", target=organization.slug, organization_id=organization.pk, details=wanted
        )
    return policy
