"""Cursors neither repeat nor lose a row while others come and go."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.domain.refusals import Refusal
from experiences.models import Experience
from marketplace.paging import OFFSET_MAX, page, read_offset, write_offset
from tests import factories
from tests.marketplace.conftest import publish


@pytest.fixture
def rows(db: None) -> list[int]:
    organization = factories.organization()
    return [Experience.objects.create(organization=organization, name=f"e{n}", title="x").pk for n in range(7)][::-1]


def test_forth_and_back_again(rows: list[int]) -> None:
    everything = Experience.objects.all()
    first = page(everything, "", 3)
    second = page(everything, str(first.next), 3)
    third = page(everything, str(second.next), 3)
    assert [[row.pk for row in part] for part in (first, second, third)] == [rows[:3], rows[3:6], rows[6:]]
    assert (first.previous, third.next) == (None, None)
    back = page(everything, str(third.previous), 3)
    assert [row.pk for row in back] == rows[3:6]
    start = page(everything, str(back.previous), 3)
    assert ([row.pk for row in start], start.previous) == (rows[:3], None)


def test_rows_that_come_and_go_neither_shift_nor_repeat(rows: list[int]) -> None:
    everything = Experience.objects.all()
    first = page(everything, "", 3)
    Experience.objects.create(organization=factories.organization(), name="new", title="x")
    Experience.objects.filter(pk__in=[rows[0], rows[3]]).delete()
    second = page(everything, str(first.next), 3)
    assert [row.pk for row in second] == rows[4:7]


def test_an_empty_table_has_one_empty_page(db: None) -> None:
    found = page(Experience.objects.all(), "", 3)
    assert (list(found), found.next, found.previous) == ([], None, None)


@pytest.mark.parametrize(
    "cursor",
    ["x", "=", "ä", "YWZ0ZXI6", "YWZ0ZXI6LTE", "c2lkZXdheXM6MQ", "YWZ0ZXI6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ", "\x00"],
)
def test_a_cursor_that_is_none_of_ours_is_refused(db: None, cursor: str) -> None:
    for read in (lambda: page(Experience.objects.all(), cursor), lambda: read_offset(cursor)):
        with pytest.raises(Refusal) as caught:
            read()
        assert (caught.value.status, caught.value.code) == (400, "cursor_invalid")


def test_a_search_goes_on_where_it_stopped_and_ends_somewhere() -> None:
    assert read_offset("") == 0
    assert read_offset(str(write_offset(25))) == 25
    assert write_offset(OFFSET_MAX + 1) is None


def test_searching_page_by_page_finds_everything_once(db: None) -> None:
    organization = factories.organization()
    names = {publish(organization, name=f"greeting-{n}").experience.name for n in range(5)}
    found: list[str] = []
    cursor = None
    for _ in range(5):
        body = {"words": "greeting", "limit": 2, "cursor": cursor}
        answer = Client().post("/api/v1/search", body, content_type="application/json").json()
        found += [row["name"] for row in answer["results"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert sorted(found) == sorted(names)


def test_listing_page_by_page_finds_everything_once(db: None) -> None:
    organization = factories.organization()
    names = [publish(organization, name=f"greeting-{n}").experience.name for n in range(3)]
    first = Client().get("/api/v1/experiences?limit=2").json()
    second = Client().get(f"/api/v1/experiences?limit=2&cursor={first['next']}").json()
    assert [row["name"] for row in first["results"] + second["results"]] == names[::-1]
    assert (second["next"], first["previous"]) == (None, None)
