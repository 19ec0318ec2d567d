"""Stripe Connect: publishers' accounts and the transfers to them. Separate charges and transfers, as Stripe calls it.

Endpoints: POST /v1/accounts · GET /v1/accounts/{id} · POST /v1/account_links · POST /v1/transfers.
"""

from __future__ import annotations

from licensing.models import Payout
from licensing.payments.asking import asking


def create_account(*, organization_id: int, slug: str) -> str:
    """The id of a publisher's account; calling it again makes no second one. Raises ProviderTrouble."""
    with asking() as api:
        account = api.v1.accounts.create(
            {"type": "express", "metadata": {"organization": slug}, "capabilities": {"transfers": {"requested": True}}},
            {"idempotency_key": f"account-{organization_id}"},
        )
    return account.id


def onboarding_url(external_id: str, return_url: str) -> str:
    """Where the publisher tells Stripe who they are; good for some minutes. Raises ProviderTrouble."""
    with asking() as api:
        link = api.v1.account_links.create(
            {"account": external_id, "refresh_url": return_url, "return_url": return_url, "type": "account_onboarding"},
        )
    return link.url


def may_receive(external_id: str) -> bool:
    """Raises ProviderTrouble."""
    with asking() as api:
        return bool(api.v1.accounts.retrieve(external_id).payouts_enabled)


def transfer(payout: Payout, external_id: str) -> str:
    """The transfer's id; calling it again for the same payout makes no second one. Raises ProviderTrouble."""
    with asking() as api:
        made = api.v1.transfers.create(
            {
                "amount": payout.amount_minor,
                "currency": payout.currency.lower(),
                "destination": external_id,
                "metadata": {"payout": str(payout.pk)},
            },
            {"idempotency_key": f"payout-{payout.pk}"},
        )
    return made.id
