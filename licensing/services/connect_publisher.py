"""A publisher's way to payouts: an account at Stripe, and the page where they say who they are."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Unavailable
from accounts.models import Organization
from accounts.services import audit
from licensing.models import PublisherAccount
from licensing.payments import ProviderTrouble
from licensing.payments.connect import create_account, may_receive, onboarding_url
from licensing.services.agreeing import locked_organization


def connect_publisher(*, actor: Actor, organization: Organization, return_url: str) -> str:
    """Where to go on. Twice at once, or killed in between, it is the same account.

    Raises Unauthenticated, Forbidden, Conflict ``payouts_by_bank`` without keys of Stripe, Unavailable.
    """
    actor.require("admin", organization.pk)
    if settings.KEIKEN.payments != "stripe":
        raise Conflict(
            "payouts_by_bank",
            _("This marketplace pays publishers by bank transfer."),
            _("Tell the operator your bank account."),
        )
    try:
        account = PublisherAccount.objects.filter(organization=organization).first()
        if account is None:
            external_id = create_account(organization_id=organization.pk, slug=organization.slug)
            account = _keep(actor, organization, external_id)
        return onboarding_url(account.external_id, return_url)
    except ProviderTrouble as trouble:
        raise Unavailable(
            "payment_unavailable",
            _("The payment provider cannot be reached."),
            _("Try it again in a minute; nothing was changed."),
        ) from trouble


def _keep(actor: Actor, organization: Organization, external_id: str) -> PublisherAccount:
    with transaction.atomic(durable=True):
        locked_organization(organization.pk)
        account, created = PublisherAccount.objects.get_or_create(
            organization=organization, defaults={"external_id": external_id}
        )
        if created:
            audit.record(actor=actor, action="payouts.connect", target=external_id, organization_id=organization.pk)
    return account


def refresh_account(external_id: str) -> None:
    """Ask Stripe whether it may receive payouts now. Raises ProviderTrouble; one that is none of ours is nothing."""
    rows = PublisherAccount.objects.filter(external_id=external_id)
    if rows.exists():
        rows.update(is_ready=may_receive(external_id))
