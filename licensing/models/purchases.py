"""Orders, what was paid and given back, and what payment providers told us."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent, Organization
from licensing.models.agreements import Acceptance, Offer
from licensing.models.ledger import LedgerTransaction


class Coupon(models.Model):
    """A reduction that a publisher gives away by its code. Counted under the lock of its row."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="coupons")
    code = models.CharField(max_length=40)
    percent_off = models.PositiveSmallIntegerField(default=0)
    amount_off_minor = models.PositiveBigIntegerField(default=0)
    currency = models.CharField(max_length=3, blank=True)
    redemptions_limit = models.PositiveIntegerField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "code"], name="coupon_code_once"),
            models.CheckConstraint(
                condition=Q(percent_off__gt=0, percent_off__lte=100, amount_off_minor=0)
                | Q(percent_off=0, amount_off_minor__gt=0) & ~Q(currency=""),
                name="coupon_percent_or_amount",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class BillingDetails(models.Model):
    """What an organization wants its invoices to name. An order keeps what it was when it was placed."""

    organization = models.OneToOneField(Organization, on_delete=models.PROTECT, related_name="billing_details")
    address = models.CharField(max_length=500)
    """With the legal name, line by line."""
    tax_id = models.CharField(max_length=50, blank=True)

    class Meta:
        verbose_name_plural = "billing details"

    def __str__(self) -> str:
        return "\n".join([self.address, *([self.tax_id] if self.tax_id else [])])


class Order(models.Model):
    """An organization wants a paid offer. What it comes to follows from the payment facts alone (services.settle)."""

    class State(models.TextChoices):
        OPEN = "open", _("waiting for payment")
        PAID = "paid", _("paid")
        REFUNDED = "refunded", _("refunded")
        CANCELED = "canceled", _("canceled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.BigIntegerField(unique=True)
    """Without gaps, as invoices ask for."""
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="orders")
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="orders")
    acceptance = models.ForeignKey(Acceptance, on_delete=models.PROTECT, related_name="orders")
    billed_month = models.DateField(null=True, blank=True)
    """The month (its first day, UTC) whose metered replays this bills; None for what was bought."""
    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    """The agent that bought by itself, within its budget."""
    driver = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    net_minor = models.PositiveBigIntegerField()
    tax_minor = models.PositiveBigIntegerField(default=0)
    fee_minor = models.PositiveBigIntegerField(default=0)
    """The platform's part of the net amount."""
    credit_minor = models.PositiveBigIntegerField(default=0)
    """What the first payment is lower by, without tax: the unused part of the licenses that this one replaces."""
    trial_days = models.PositiveSmallIntegerField(default=0)
    """Of a subscription: given once to an organization for an experience."""
    billed_to = models.CharField(max_length=600, blank=True)
    """Name, address and tax number of the buyer, line by line; empty: the organization's name."""
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    external_id = models.CharField(max_length=200, blank=True)
    """The provider's own id: a Checkout Session; empty until it is made."""
    checkout_url = models.CharField(max_length=2000, blank=True)
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    """From when and until when the present period of a subscription is paid. A trial by invoice has no start."""
    ends_with_period = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "offer"],
                condition=Q(state="open", billed_month__isnull=True),
                name="order_open_once",
            ),
            models.UniqueConstraint(
                fields=["acceptance", "billed_month"], condition=Q(driver="invoice"), name="order_month_once"
            ),
            models.UniqueConstraint(
                fields=["driver", "external_id"], condition=~Q(external_id=""), name="order_external_once"
            ),
        ]

    @property
    def total_minor(self) -> int:
        """With tax; of a subscription, what each period costs."""
        return self.net_minor + self.tax_minor

    @property
    def due_minor(self) -> int:
        """What the first payment comes to: the total less the credit and its share of the tax."""
        if not self.credit_minor:
            return self.total_minor
        return self.total_minor - self.credit_minor - self.tax_minor * self.credit_minor // self.net_minor

    def __str__(self) -> str:
        return f"K-{self.number:06}"


class Credit(models.Model):
    """What an order is cheaper by because it replaces another, paid one. It stands while the order does."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="credits")
    replaced = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="credited_in")
    amount_minor = models.PositiveBigIntegerField()
    """Without tax; zero where nothing was left of it."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "replaced"], name="credit_once")]

    def __str__(self) -> str:
        return f"{self.amount_minor} of {self.replaced_id} for {self.order_id}"


class Movement(models.Model):
    """Money that moved for an order. It cannot be written without its ledger transaction."""

    class Kind(models.TextChoices):
        PAYMENT = "payment", _("payment")
        REFUND = "refund", _("refund")
        DISPUTE = "dispute", _("dispute opened")
        DISPUTE_WON = "dispute_won", _("dispute won")
        DISPUTE_LOST = "dispute_lost", _("dispute lost")

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="movements")
    transaction = models.OneToOneField(LedgerTransaction, on_delete=models.PROTECT, related_name="movement")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    external_id = models.CharField(max_length=200)
    amount_minor = models.PositiveBigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "kind", "external_id"], name="movement_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.amount_minor} for {self.order_id}"


class Refund(models.Model):
    """Money that a publisher gives back. The row is written before the provider is asked, and asked for until it is."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    key = models.CharField(max_length=100)
    """The asker's own, so that the same refund asked for twice is one."""
    amount_minor = models.PositiveBigIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "key"], name="refund_once")]

    def __str__(self) -> str:
        return f"{self.amount_minor} of {self.order_id}"


class InvoiceEntry(models.Model):
    """What the operator says of an invoice: paid, or paid back. The facts of the driver ``invoice``."""

    class Kind(models.TextChoices):
        PAID = "paid", _("paid")
        REFUNDED = "refunded", _("refunded")

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="invoice_entries")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    reference = models.CharField(max_length=100)
    """The bank's own, so that the same transfer is not counted twice."""
    amount_minor = models.PositiveBigIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "kind", "reference"], name="invoice_entry_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class ProviderEvent(models.Model):
    """A webhook as it came, stored before anything is done about it. The row is the job."""

    driver = models.CharField(max_length=10)
    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=100)
    payload = models.JSONField()
    received_at = models.DateTimeField(default=timezone.now)
    processed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    trouble = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["driver", "event_id"], name="provider_event_once")]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(processed_at__isnull=True), name="provider_event_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class PurchasePolicy(models.Model):
    """What an organization's agents may buy by themselves. Without a row: nothing that costs money."""

    organization = models.OneToOneField(Organization, on_delete=models.PROTECT, related_name="purchase_policy")
    agent_month_minor = models.PositiveBigIntegerField(default=0)
    """What one agent may spend in a calendar month (UTC), tax included."""
    currency = models.CharField(max_length=3)
    publishers = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    """Slugs of the publishers agents may buy from; empty means every publisher."""

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.agent_month_minor} {self.currency}"


class AccessRequest(models.Model):
    """An organization asks for an offer that a person decides about."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        APPROVED = "approved", _("approved")
        DECLINED = "declined", _("declined")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    offer = models.ForeignKey(Offer, on_delete=models.PROTECT, related_name="requests")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="access_requests")
    message = models.CharField(max_length=2000)
    asked_by_name = models.CharField(max_length=100)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    answer = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["offer", "organization"], name="access_request_once"),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} asks for {self.offer_id}: {self.state}"
