"""The search at its doors: filters, order, near fits and reasons over the API and on the page, with and without htmx."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from experiences.models import SearchEntry
from experiences.services.embed_listings import embed_listings
from experiences.services.want_missing_embeddings import want_missing_embeddings
from tests.embedding_server import DIMENSIONS, embedding_endpoint
from tests.marketplace.conftest import Market, judge, publish


@pytest.fixture
def shelf(market: Market) -> Market:
    judge(
        publish(market.acme, name="rotate-key", title="Rotate a key", topics=["tls"], conditions={"os.family": "linux"})
    )
    publish(
        market.acme, name="rotate-log", title="Rotate a log", topics=["logs"], conditions={"tool.logrotate": ">=3.14"}
    )
    return market


def search(client: Client | None = None, **body: Any) -> dict[str, Any]:
    response = (client or Client()).post("/api/v1/search", body, content_type="application/json")
    assert response.status_code == 200, response.content
    return dict(response.json())


def names(found: dict[str, Any]) -> list[str]:
    return [row["name"] for row in found["results"]]


def test_the_api_tells_why_how_many_and_what_can_be_chosen(shelf: Market) -> None:
    found = search(words="rotating")
    assert sorted(names(found)) == ["rotate-key", "rotate-log"]
    assert found["total"] == 2
    assert found["results"][0]["reasons"] == [{"word": "rotating", "term": "rotat", "where": ["title"]}]
    assert found["facets"]["topic"] == [{"value": "logs", "count": 1}, {"value": "tls", "count": 1}]
    assert set(found["facets"]) == {
        "topic", "environment", "action", "license", "price", "language", "verified", "publisher",
    }  # fmt: skip


def test_the_api_filters_and_orders(shelf: Market) -> None:
    assert names(search(filters={"license": ["free"]})) == ["write-greeting"]
    assert names(search(filters={"price": ["free"], "publisher": ["acme"]})) == ["write-greeting"]
    assert names(search(filters={"publisher": ["nobody"]})) == []
    assert names(search(sort="newest")) == ["rotate-log", "rotate-key", "write-greeting"]
    for wrong in ({"sort": "best"}, {"filters": {"verified": ["ever"]}}, {"filters": {"action": "run"}}):
        response = Client().post("/api/v1/search", wrong, content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


def test_an_offer_that_is_withdrawn_can_no_longer_be_chosen(shelf: Market) -> None:
    from licensing.services.withdraw_offer import withdraw_offer
    from tests import factories

    withdraw_offer(actor=factories.owner_actor(shelf.acme), offer_id=shelf.offer.id)
    assert search()["facets"]["license"] == []
    assert names(search(filters={"license": ["free"]})) == []


def test_what_nearly_fits_comes_with_what_it_lacks(shelf: Market) -> None:
    facts = {"os.family": "linux", "tool.logrotate": "3.8"}
    assert "rotate-log" not in names(search(words="rotate", facts=facts, fits=True))
    near = search(words="rotate", facts=facts, nearly=True)
    assert names(near) == ["rotate-key", "rotate-log"]
    assert near["results"][1]["fit"] == {
        "status": "fails",
        "findings": [{"condition": "tool.logrotate >=3.14", "status": "fails", "found": "3.8"}],
    }


def test_pages_of_results_do_not_overlap(shelf: Market) -> None:
    first = search(limit=2)
    second = search(limit=2, cursor=first["next"])
    assert (len(names(first)), len(names(second)), second["next"]) == (2, 1, None)
    assert len({*names(first), *names(second)}) == 3


def links(html: str) -> dict[str, str]:
    """The links of the facets by their words."""
    facets = html[html.index('<div id="facets"') :]
    found = re.findall(r'<li><a href="(\?[^"]*)"[^>]*>(.*?)</a> <span class="soft">(\d+)</span>', facets, re.S)
    return {
        " ".join(re.sub(r"<[^>]+>", " ", label).split()): href.replace("&amp;", "&") for href, label, _count in found
    }


def test_the_page_offers_what_can_be_chosen_as_plain_links(shelf: Market) -> None:
    client = Client()
    offered = links(client.get("/browse?q=rotate").content.decode())
    assert offered["tls"] == "?q=rotate&topic=tls"
    chosen = client.get("/browse" + offered["tls"]).content.decode()
    assert "rotate-key" in chosen
    assert "rotate-log" not in chosen
    assert links(chosen)["tls (remove)"] == "?q=rotate"
    assert 'name="topic" value="tls"' in chosen  # the form carries the choice along


def test_the_page_ignores_what_it_does_not_know(shelf: Market) -> None:
    page = Client().get("/browse?sort=magic&fit=always&verified=ever&unheard=1")
    assert page.status_code == 200
    assert "rotate-key" in page.content.decode()


def test_the_page_says_why_and_shows_near_fits(shelf: Market) -> None:
    client = Client()
    client.post("/facts", {"facts": '{"os.family": "linux", "tool.logrotate": "3.8"}'})
    html = client.get("/browse?q=rotate&fit=nearly").content.decode()
    assert "<q>rotate</q> (title)" in html
    assert "Needs tool.logrotate &gt;=3.14; found 3.8." in html
    assert "<code>os.family = linux</code>" in html
    nothing = client.get("/browse?q=log&fit=fits").content.decode()
    assert "fit=nearly" in nothing


def test_htmx_gets_the_results_and_the_counts_beside_them(shelf: Market) -> None:
    part = Client().get("/browse?q=rotate", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert part.strip().startswith('<div id="results"')
    assert '<div id="facets" hx-swap-oob="true">' in part


@pytest.mark.parametrize(("language", "said"), [("en", "close in meaning"), ("ja", "意味が近い")])
def test_what_is_close_in_meaning_says_so_at_both_doors(shelf: Market, settings: Any, language: str, said: str) -> None:
    with embedding_endpoint() as endpoint:
        settings.KEIKEN = settings.KEIKEN.model_copy(
            update={
                "embedding_url": endpoint.url,
                "embedding_model": "concepts",
                "embedding_dimensions": DIMENSIONS,
            }
        )
        publish(shelf.acme, name="free-space", title="Clean up a full disk", conditions={})
        want_missing_embeddings()
        assert embed_listings() == SearchEntry.objects.count()
        found = search(words="storage")
        assert names(found) == ["free-space"]
        assert found["results"][0]["reasons"] == [{"word": "storage", "term": "", "where": ["meaning"]}]
        page = Client(headers={"accept-language": language}).get("/browse?q=storage")
        assert f"<q>storage</q> ({said})" in page.content.decode()
