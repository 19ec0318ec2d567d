"""Publishers get what is owed to them: the ledger says how much, a row is written, then the money moves."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM, Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid, NotFound
from accounts.models import Organization
from accounts.services import audit
from licensing.models import LedgerLine, LedgerTransaction, Payout, PublisherAccount
from licensing.payments import ProviderTrouble
from licensing.payments.connect import transfer
from licensing.services.agreeing import locked_organization

LEAST_MINOR = 1_000
"""Smaller amounts wait for more: each transfer costs something."""


def owed_minor(organization_id: int, currency: str) -> int:
    """What the ledger owes a publisher; negative after refunds of what was paid out already."""
    lines = LedgerLine.objects.filter(account="payable", organization_id=organization_id, currency=currency)
    return -(lines.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def pay_out_all() -> list[Payout]:
    """A payout for each publisher and currency with enough, and another try for those begun. May be killed anywhere."""
    owed = (
        LedgerLine.objects.filter(account="payable", organization__isnull=False)
        .values("organization", "currency")
        .annotate(sum=Sum("amount_minor"))
        .filter(sum__lte=-LEAST_MINOR)
        .order_by("organization", "currency")
    )
    for row in list(owed):
        begin_payout(organization_id=row["organization"], currency=row["currency"])
    begun = Payout.objects.filter(state=Payout.State.BEGUN, driver="stripe").order_by("created_at")
    return [finish_payout(payout) for payout in begun]


def begin_payout(*, organization_id: int, currency: str) -> Payout | None:
    """The payout with its ledger lines; the one that is begun already; None where too little is owed."""
    with transaction.atomic(durable=True):
        organization = locked_organization(organization_id)
        begun = Payout.objects.filter(organization=organization, currency=currency, state=Payout.State.BEGUN).first()
        amount = owed_minor(organization_id, currency)
        if begun is not None or amount < LEAST_MINOR:
            return begun
        account = PublisherAccount.objects.filter(organization=organization, is_ready=True).first()
        return _begin(organization, currency, amount, "stripe" if account else "invoice")


def _begin(organization: Organization, currency: str, amount: int, driver: str) -> Payout:
    payout = Payout(organization=organization, currency=currency, amount_minor=amount, driver=driver)
    payout.transaction = LedgerTransaction.objects.create(key=f"payout:{payout.pk}", text=f"payout to {organization}")
    for account, owner, moved in (("payable", organization, amount), ("cash", None, -amount)):
        LedgerLine.objects.create(
            transaction=payout.transaction, account=account, organization=owner, currency=currency, amount_minor=moved
        )
    payout.save(force_insert=True)
    _record(SYSTEM, payout, "payout.begin")
    return payout


def finish_payout(payout: Payout) -> Payout:
    """Let Stripe transfer it, outside any transaction: killed in between, the next try is the same transfer."""
    account = PublisherAccount.objects.filter(organization_id=payout.organization_id).first()
    if payout.state == Payout.State.PAID or payout.driver != "stripe" or account is None:
        return payout
    try:
        external_id = transfer(payout, account.external_id)
    except ProviderTrouble:
        return payout  # it stays begun, and the next night tries again
    return _paid(SYSTEM, payout, external_id)


def record_payout(*, actor: Actor, payout_id: str, reference: str) -> Payout:
    """The operator has transferred it by bank. Raises Forbidden, NotFound, Invalid, Conflict ``payout_of_stripe``."""
    if not actor.is_operator and actor.kind != "system":
        raise Forbidden(
            "operator_only", _("Only the operator of this marketplace records payments."), _("Ask the operator.")
        )
    payout = Payout.objects.select_related("organization").filter(pk=payout_id).first()
    if payout is None:
        raise NotFound(_("payout"))
    if payout.driver == "stripe":
        raise Conflict("payout_of_stripe", _("Stripe transfers this one."), _("Nothing more is needed."))
    if not reference.strip():
        raise Invalid("amount_invalid", _("A payout has the bank's reference."), _("Give it; nothing was kept."))
    return _paid(actor, payout, reference.strip()[:200])


def _paid(actor: Actor, payout: Payout, external_id: str) -> Payout:
    with transaction.atomic(durable=True):
        waiting = Payout.objects.filter(pk=payout.pk, state=Payout.State.BEGUN)
        if waiting.update(state=Payout.State.PAID, external_id=external_id, paid_at=timezone.now()):
            _record(actor, payout, "payout.paid")
    payout.refresh_from_db()
    return payout


def _record(actor: Actor, payout: Payout, action: str) -> None:
    details = {"payout": str(payout.pk), "amount_minor": payout.amount_minor, "currency": payout.currency}
    audit.record(
        actor=actor.seen_from_outside(),
        action=action,
        target=str(payout.organization),
        organization_id=payout.organization_id,
        details=details,
    )
