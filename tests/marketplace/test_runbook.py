"""The runbook: for whoever may have the package, written down, with the files it needs and nothing that runs."""

from __future__ import annotations

from urllib.parse import quote

from django.test import Client

from tests import factories
from tests.marketplace.conftest import Market, audit, counts, publish
from tests.marketplace.test_pages import HOSTILE, assert_sound
from tests.marketplace.test_shop_pages import text_of

RUNBOOK = "/experiences/acme/write-greeting/1.0.0/runbook"


def test_a_stranger_is_sent_to_sign_in_and_others_to_the_offers(market: Market) -> None:
    response = Client().get(RUNBOOK)
    assert (response.status_code, response.headers["Location"]) == (
        302,
        f"/accounts/login/?next={quote(RUNBOOK, safe='')}",
    )
    before = counts()
    refused = market.signed_in(market.globex).get(RUNBOOK)
    assert refused.status_code == 403
    assert "license_required" in refused.content.decode()
    assert "work/draft.txt" not in refused.content.decode()
    assert counts() == before
    assert [entry.details["code"] for entry in audit("runbook.refuse")] == ["license_required"]


def test_whoever_has_a_license_reads_it_until_it_ends(market: Market) -> None:
    grant = market.grant()
    client = market.signed_in(market.globex)
    response = client.get(RUNBOOK)
    html = response.content.decode()
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    assert_sound(html)
    text = text_of(html)
    assert "cp work/draft.txt work/greeting.txt" in text
    assert "After it holds: file(&#x27;work/draft.txt&#x27;).exists" in text
    assert html.count('type="checkbox"') == 1 + 3 + 2 + 3
    assert [entry.target for entry in audit("runbook.read")] == ["acme/write-greeting@1.0.0"]
    market.revoke(grant)
    assert client.get(RUNBOOK).status_code == 403


def test_the_publisher_and_the_operator_read_it(market: Market) -> None:
    assert market.signed_in(market.acme).get(RUNBOOK).status_code == 200
    operator = Client()
    operator.force_login(factories.person(is_staff=True))
    assert operator.get(RUNBOOK).status_code == 200
    assert market.signed_in(market.globex).get("/experiences/acme/inner-greeting/1.0.0/runbook").status_code == 404


def test_files_are_brought_along_as_far_as_they_can_be_printed(market: Market) -> None:
    publish(
        market.acme,
        name="with-files",
        title="With files",
        files={"scripts/a.sh": f"echo {HOSTILE}\n", "assets/long.txt": "x" * 20_000, "trace/raw.txt": "trace"},
    )
    html = market.signed_in(market.acme).get("/experiences/acme/with-files/1.0.0/runbook").content.decode()
    assert_sound(html)
    text = text_of(html)
    assert "scripts/a.sh" in text
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert "assets/long.txt 19.5" in text
    assert "Not printed: fetch the package." in text
    assert "x" * 100 not in html
    assert "trace/raw.txt" not in text
    assert "experience.yaml" not in text
