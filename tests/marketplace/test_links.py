"""What other sites and programs see: addresses in each language, cards, data, feeds, the map; and only of public things."""

from __future__ import annotations

import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from experiences.models import Verification, Version
from marketplace.card import card
from tests.marketplace.conftest import Market, judge, publish
from tests.marketplace.test_pages import HOSTILE, Outline

EXPERIENCE = "/experiences/acme/write-greeting"
ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"public_url": "https://keiken.example"})


def page(path: str, client: Client | None = None) -> tuple[str, Outline]:
    html = (client or Client()).get(path).content.decode()
    return html, Outline(html)


def metas(outline: Outline) -> dict[str, str]:
    return {str(item["property"]): str(item["content"]) for item in outline.all("meta") if item.get("property")}


def data_of(html: str) -> Any:
    [found] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html, re.S)
    return json.loads(found)


def test_a_page_has_one_address_in_each_language(market: Market) -> None:
    for path in ("/", EXPERIENCE, "/publishers/acme"):
        plain = f"https://keiken.example{path}"
        for asked, canonical in ((path, plain), (f"{path}?lang=en", plain), (f"{path}?lang=ja", f"{plain}?lang=ja")):
            html, outline = page(asked)
            links = {(item.get("rel"), item.get("hreflang")): item["href"] for item in outline.all("link")}
            assert links["canonical", None] == canonical
            assert links["alternate", "x-default"] == plain
            assert (links["alternate", "en"], links["alternate", "ja"]) == (f"{plain}?lang=en", f"{plain}?lang=ja")
            assert f'<html lang="{"ja" if asked.endswith("ja") else "en"}"' in html


def test_a_language_in_the_address_does_not_hold_back_a_switch(market: Market) -> None:
    html, _outline = page(f"{EXPERIENCE}?lang=ja")
    assert f'name="next" value="{EXPERIENCE}"' in html
    client = Client()
    client.get("/?lang=ja")
    assert '<html lang="en"' in client.get("/").content.decode()
    assert '<html lang="en"' in client.get("/?lang=xx").content.decode()


def test_an_experience_tells_what_it_is(market: Market) -> None:
    judge(market.public)
    html, outline = page(EXPERIENCE)
    found = metas(outline)
    assert found["og:title"] == "Write a greeting · acme/write-greeting"
    assert found["og:image"] == f"https://keiken.example{EXPERIENCE}/card.png"
    code, how_to = data_of(html)["@graph"]
    assert (code["@type"], code["identifier"], code["version"]) == (
        "SoftwareSourceCode",
        market.public.blob_id,
        "1.0.0",
    )
    assert code["author"]["url"] == "https://keiken.example/publishers/acme"
    assert "aggregateRating" not in code
    assert [step["name"] for step in how_to["step"]] == ["Write it", "Publish it"]


def test_hostile_texts_end_nothing(market: Market) -> None:
    publish(market.acme, name="hostile", title=f"</script>{HOSTILE}", summary=HOSTILE)
    html, outline = page("/experiences/acme/hostile")
    assert data_of(html)["@graph"][0]["name"].startswith("</script>")
    assert len(outline.all("script")) == html.count("</script>")
    assert "<script>alert" not in html
    for path in ("/feeds/new.atom", "/feeds/topics/text.atom"):
        titles = [entry.findtext(f"{ATOM}title") for entry in feed(path).iter(f"{ATOM}entry")]
        assert any("</script>" in str(title) for title in titles)
    assert Image.open(io.BytesIO(Client().get("/experiences/acme/hostile/card.png").content)).size == (1200, 630)


def test_what_is_private_tells_nothing_to_others(market: Market) -> None:
    owner = market.signed_in(market.acme)
    html, outline = page("/experiences/acme/inner-greeting", owner)
    assert "ld+json" not in html
    assert [item["content"] for item in outline.all("meta") if item.get("name") == "robots"] == ["noindex"]
    for client in (Client(), owner):
        assert client.get("/experiences/acme/inner-greeting/card.png").status_code == 404
        assert client.get("/experiences/acme/inner-greeting/verdicts.atom").status_code == 404
        for path in (
            "/feeds/new.atom",
            "/feeds/topics/text.atom",
            "/feeds/publishers/acme.atom",
            "/feeds/verdicts.atom",
        ):
            assert "inner-greeting" not in client.get(path).content.decode()
        assert "inner-greeting" not in client.get("/sitemaps/experiences.xml").content.decode()
    publish(market.globex, name="secret", title="Secret", visibility="organization")
    assert Client().get("/feeds/publishers/globex.atom").status_code == 404
    assert "globex" not in Client().get("/sitemaps/publishers.xml").content.decode()
    html, _outline = page("/publishers/globex", market.signed_in(market.globex))
    assert 'content="noindex"' in html


def feed(path: str, **headers: str) -> ElementTree.Element:
    response = Client().get(path, headers=headers)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/atom+xml; charset=utf-8")
    return ElementTree.fromstring(response.content)


def test_new_versions_are_fed_newest_first(market: Market) -> None:
    second = publish(market.acme, version="1.1.0", topics=["text", "greeting"])
    Version.objects.filter(pk=market.public.pk).update(yanked_at=None)
    root = feed("/feeds/new.atom")
    entries = list(root.iter(f"{ATOM}entry"))
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        "acme/write-greeting@1.1.0: Write a greeting",
        "acme/write-greeting@1.0.0: Write a greeting",
    ]
    assert entries[0].findtext(f"{ATOM}id") == (f"https://keiken.example/d/{second.blob_id}#acme/write-greeting@1.1.0")
    link = entries[0].find(f"{ATOM}link")
    assert link is not None
    assert link.get("href") == f"https://keiken.example{EXPERIENCE}/1.1.0"
    assert len(list(feed("/feeds/topics/greeting.atom").iter(f"{ATOM}entry"))) == 2
    assert list(feed("/feeds/topics/nothing.atom").iter(f"{ATOM}entry")) == []
    assert len(list(feed("/feeds/publishers/acme.atom").iter(f"{ATOM}entry"))) == 2
    Version.objects.filter(pk=second.pk).update(yanked_at=timezone.now())
    assert len(list(feed("/feeds/new.atom").iter(f"{ATOM}entry"))) == 1


def test_only_verdicts_that_changed_are_fed(market: Market) -> None:
    first = judge(market.public)
    assert list(feed("/feeds/verdicts.atom").iter(f"{ATOM}entry")) == []
    second = Verification.objects.create(
        version=market.public,
        environment_name="debian-12",
        trigger="age",
        state="done",
        verdict="failed",
        finished_at=timezone.now(),
    )
    for path in ("/feeds/verdicts.atom", f"{EXPERIENCE}/verdicts.atom"):
        [entry] = feed(path).iter(f"{ATOM}entry")
        assert entry.findtext(f"{ATOM}title") == "acme/write-greeting@1.0.0 in debian-12: Failed, before: Passed"
        assert entry.findtext(f"{ATOM}id") == f"urn:uuid:{second.pk}"
    assert first.pk != second.pk
    japanese = [entry.findtext(f"{ATOM}title") for entry in feed("/feeds/verdicts.atom?lang=ja").iter(f"{ATOM}entry")]
    assert japanese == ["debian-12 での acme/write-greeting@1.0.0: 失敗（以前: 合格）"]


def test_readers_that_have_it_are_not_sent_it_again(market: Market) -> None:
    for path in ("/feeds/new.atom", "/feeds/verdicts.atom", f"{EXPERIENCE}/card.png"):
        first = Client().get(path)
        again = Client().get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert "max-age" in first.headers["Cache-Control"]
    before = Client().get(f"{EXPERIENCE}/card.png").headers["ETag"]
    judge(market.public)
    assert Client().get(f"{EXPERIENCE}/card.png").headers["ETag"] != before


@pytest.mark.parametrize("title", ["short", "long " * 39, "長い題名" * 40, "x" * 200, "", "\u202e\ufdfd🦊\U0001f9d1"])
def test_a_card_takes_any_title(title: str) -> None:
    for state in ("passed", "failed", "flaky", "unverified", "expired"):
        drawn = card(
            title=title, name="a" * 64 + "/" + "b" * 64, state=state, word="検証済み", detail="debian-12, " * 20
        )
        image = Image.open(io.BytesIO(drawn))
        assert (image.size, image.format) == ((1200, 630), "PNG")
        assert len(drawn) < 150_000


def test_the_map_names_what_is_public(market: Market) -> None:
    root = ElementTree.fromstring(Client().get("/sitemap.xml").content)
    assert len(list(root.iter(f"{SITEMAP}loc"))) == 3
    places = [
        item.text
        for section in ("pages", "experiences", "publishers")
        for item in ElementTree.fromstring(Client().get(f"/sitemaps/{section}.xml").content).iter(f"{SITEMAP}loc")
    ]
    assert places == [
        "https://keiken.example/",
        "https://keiken.example/browse",
        "https://keiken.example/environments",
        f"https://keiken.example{EXPERIENCE}",
        "https://keiken.example/publishers/acme",
    ]
    robots = Client().get("/robots.txt").content.decode()
    assert "Disallow: /organizations/" in robots
    assert "Sitemap: https://keiken.example/sitemap.xml" in robots
