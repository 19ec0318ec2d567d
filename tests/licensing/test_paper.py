"""Invoices and statements as PDF: what must stand there stands there, in both languages, and always the same bytes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone, translation
from pypdfium2 import PdfDocument

from accounts.domain.refusals import Refusal
from accounts.models import AuditEntry
from licensing.invoices import invoice_of
from licensing.models import BillingDetails, Order
from licensing.paper import pdf_of
from licensing.services.set_billing import set_billing
from licensing.sheets import Sheet, Table
from tests.licensing.buying import offer_of, order, pay
from tests.licensing.conftest import Shop
from tests.licensing.stripe_double import StripeDouble

NOW = timezone.now()


def text_of(pdf: bytes) -> str:
    """All that a reader sees, without spaces."""
    with PdfDocument(pdf) as document:
        return "".join("".join(page.get_textpage().get_text_range().split()) for page in document)


def fonts_of(pdf: bytes) -> set[str]:
    return {name.decode() for name in re.findall(rb"/BaseFont /[A-Z]+\+(\S+)", pdf)}


@pytest.fixture
def sold(shop: Shop, settings: Any) -> Order:
    settings.KEIKEN = settings.KEIKEN.model_copy(
        update={
            "tax_basis_points": 1900,
            "fee_basis_points": 1000,
            "invoice_seller": "Keiken Market GmbH | Gasse 1 | 1010 Wien",
            "invoice_tax_id": "ATU123",
            "invoice_bank": "IBAN AT00 0000",
        }
    )
    set_billing(
        actor=shop.buyer, organization=shop.globex, address="株式会社グロベックス\n東京都千代田区1-1", tax_id="T12"
    )
    return order(shop, offer_of(shop))


def page_of(shop: Shop, who: str, path: str) -> Any:
    client = Client()
    client.force_login(shop.people[who])
    return client.get(path)


def test_an_invoice_names_seller_buyer_amounts_and_where_to_pay(shop: Shop, sold: Order) -> None:
    answer = page_of(shop, "viewer of globex", f"/organizations/globex/orders/{sold.number}.pdf")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    text = text_of(answer.content)
    for shown in (
        "KeikenMarketGmbH", "1010Wien", "ATU123", "株式会社グロベックス", "東京都千代田区1-1", "T12", f"Invoice{sold}",
        "acme/greet", "49.00EUR", "Tax(19%)9.31EUR", "Total58.31EUR", "Due58.31EUR", "IBANAT000000",
    ):  # fmt: skip
        assert shown in text
    assert fonts_of(answer.content) == {"SourceSansPro", "SourceSansProSemibold", "NotoSansCJKJP"}


def test_an_invoice_in_japanese_is_in_japanese_and_the_same_bytes_each_time(sold: Order) -> None:
    with translation.override("ja"):
        first, second = (pdf_of(invoice_of(sold)) for _time in range(2))
    assert first == second
    assert "請求書" in text_of(first)
    assert first != pdf_of(invoice_of(sold))


def test_a_paid_invoice_shows_the_payment_and_asks_for_nothing(sold: Order) -> None:
    pay(sold, reference="bank-77")
    sold.refresh_from_db()
    text = text_of(pdf_of(invoice_of(sold)))
    assert "bank-77" in text
    assert "Due0.00EUR" in text
    assert "IBAN" not in text


def test_a_later_address_changes_no_invoice_that_is_written(shop: Shop, sold: Order) -> None:
    before = pdf_of(invoice_of(sold))
    set_billing(actor=shop.buyer, organization=shop.globex, address="Elsewhere")
    sold.refresh_from_db()
    assert pdf_of(invoice_of(sold)) == before


def test_other_organizations_and_orders_at_stripe_have_no_invoice_here(shop: Shop, stripe: StripeDouble) -> None:
    placed = order(shop, offer_of(shop))
    for who, slug in (("viewer of globex", "globex"), ("viewer of acme", "acme"), ("viewer of acme", "globex")):
        assert page_of(shop, who, f"/organizations/{slug}/orders/{placed.number}.pdf").status_code == 404


@pytest.mark.parametrize("address", ["", " \n ", "a\x00b", "x" * 501, "\n".join("abcdefghi")])
def test_an_address_that_cannot_be_printed_is_refused(shop: Shop, address: str) -> None:
    with pytest.raises(Refusal) as refused:
        set_billing(actor=shop.buyer, organization=shop.globex, address=address)
    assert refused.value.code == "billing_invalid"
    assert not BillingDetails.objects.exists()
    assert not AuditEntry.objects.filter(action="billing.set").exists()


def test_who_may_not_buy_does_not_set_what_invoices_name(shop: Shop) -> None:
    body = {"address": "Globex\nTokyo", "tax_id": "T1"}
    for who, status in (("viewer of globex", 403), ("owner of acme", 404), ("stranger", 401), ("buyer of globex", 200)):
        assert shop.ask(who, "PUT", "organizations/globex/billing", body).status_code == status
    assert str(BillingDetails.objects.get()) == "Globex\nTokyo\nT1"


def test_a_statement_as_pdf_has_the_lines_of_the_csv(shop: Shop, sold: Order, tmp_path: Any) -> None:
    pay(sold)
    month = f"{timezone.now():%Y-%m}"
    answer = page_of(shop, "publisher of acme", f"/organizations/acme/statements/{month}.pdf")
    text = text_of(answer.content)
    for shown in (f"Statement{month}", f"paymentfor{sold}", "payable", "44.10EUR", "Sum44.10EUR"):
        assert shown in text
    written = tmp_path / "statement.pdf"
    call_command("statements", "acme", month=month, pdf=str(written))
    assert text_of(written.read_bytes()) == text
    assert page_of(shop, "publisher of acme", "/organizations/acme/statements/2026-13.pdf").status_code == 404


def test_what_no_font_has_and_what_is_long_still_makes_a_sheet() -> None:
    rows = [[f"{number}", "経験 " * 40, "Łódź 한글 😀 Ω" * 5, "1.00"] for number in range(60)]
    table = Table(heads=["a", "b", "c", "d"], rows=rows, widths=[10, 40, 40, 10], right=frozenset({3}))
    pdf = pdf_of(Sheet(title="x" * 300, language="ja", at=NOW, tables=[table], notes=["y " * 900]))
    with PdfDocument(pdf) as document:
        assert len(document) > 3
    assert "Łódź한글" in text_of(pdf)
