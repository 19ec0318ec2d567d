"""The publisher's area: versions with their states, withdrawing and putting back, and where replays hold."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import OutboxEvent
from marketplace.domain.field_map import VALUES_SHOWN, Cell, field_map
from marketplace.models import ReplayReport
from tests.marketplace.conftest import Market, audit, judge, publish

PAGE = "/organizations/acme/experiences/write-greeting"
DEBIAN = {"os.family": "linux", "os.id": "debian", "os.version": "12.11", "host.memory_mib": 2048}
ALPINE = {"os.family": "linux", "os.id": "alpine", "os.version": "3.20.1", "host.memory_mib": 3000}


def reported(market: Market, outcome: str, facts: dict[str, Any], count: int = 1) -> None:
    for _turn in range(count):
        ReplayReport.objects.create(
            replay_id=uuid.uuid4(), organization=market.globex, actor_kind="agent", actor_name="a",
            version=market.public, outcome=outcome, facts=facts, report={},
        )  # fmt: skip


def cells(found: list[Any], key: str) -> list[Cell]:
    return next(list(item.cells) for item in found if item.key == key)


def test_the_map_counts_by_condition_first_and_then_by_what_separates() -> None:
    good, bad = [(True, DEBIAN)] * 3, [(False, ALPINE)] * 2
    found = field_map(good + bad + [(True, ALPINE)], {"os.family"})
    assert [item.key for item in found[:1]] == ["os.family"]
    assert found[0].is_condition
    assert cells(found, "os.family") == [Cell("linux", 4, 2)]
    assert cells(found, "os.id") == [Cell("alpine", 1, 2), Cell("debian", 3, 0)]
    assert cells(found, "os.version") == [Cell("12.11", 3, 0), Cell("3.20", 1, 2)]
    assert "host.memory_mib" not in [item.key for item in found]
    assert next(item.separation for item in found if item.key == "os.id") == 0.5


def test_facts_of_ones_own_are_only_shown_where_the_experience_asks_for_them() -> None:
    facts = {"acme.customer": "Globex", "os.id": "debian"}
    reports = [(True, facts), (False, {**facts, "acme.customer": "Initech", "os.id": "alpine"})]
    assert [item.key for item in field_map(reports, set())] == ["os.id"]
    assert [item.key for item in field_map(reports, {"acme.customer"})] == ["acme.customer", "os.id"]


def test_what_is_seldom_is_counted_together() -> None:
    reports = [(number % 2 == 0, {"os.id": f"system-{number}"}) for number in range(30)]
    (found,) = field_map(reports, {"os.id"})
    assert len(found.cells) == VALUES_SHOWN + 1
    assert (found.cells[-1].value, sum(cell.count for cell in found.cells)) == ("", 30)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=80)


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.dictionaries(st.sampled_from(["os.id", "tool.x", "host.cpus"]), SCALARS | st.lists(SCALARS)),
        )
    )
)
def test_any_reports_make_a_map_whose_cells_add_up(reports: list[Any]) -> None:
    for item in field_map(reports, {"os.id"}):
        having = [succeeded for succeeded, facts in reports if item.key in facts]
        assert sum(cell.succeeded for cell in item.cells) == sum(having)
        assert sum(cell.count for cell in item.cells) == len(having)
        assert 0 <= item.separation <= 1


def test_the_page_and_the_api_tell_the_publisher_where_it_holds(market: Market) -> None:
    judge(market.public)
    reported(market, "succeeded", DEBIAN, 3)
    reported(market, "diverged", ALPINE, 2)
    reported(market, "refused", ALPINE)
    shown = market.signed_in(market.acme).get(PAGE)
    assert shown.status_code == 200
    text = shown.content.decode()
    assert "3 good, 2 bad" in text
    assert "From 5 reports" in text
    assert "alpine" in text
    api = "/api/v1/organizations/acme/experiences/write-greeting/field-map"
    told = Client().get(api, headers=market.key(market.acme, "read").headers).json()
    assert told["reports"] == 5
    assert [fact["key"] for fact in told["facts"]][:2] == ["os.family", "os.id"]
    assert Client().get(f"{api}?version=1.0.0", headers=market.key(market.acme, "read").headers).json() == told
    assert Client().get(api, headers=market.key(market.globex).headers).status_code == 404
    assert Client().get(api).status_code == 401


@pytest.mark.parametrize("who", ["globex", "stranger"])
def test_others_do_not_learn_that_the_page_is_there(market: Market, who: str) -> None:
    answer = market.signed_in(market.globex if who == "globex" else None).get(PAGE)
    assert answer.status_code == (404 if who == "globex" else 302)


def test_a_version_is_withdrawn_with_a_reason_that_its_users_read_and_put_back(market: Market) -> None:
    second = publish(market.acme, version="1.1.0")
    market.grant()
    client = market.signed_in(market.acme)
    OutboxEvent.objects.all().delete()
    too_long = client.post(PAGE, {"do": "yank", "version": "1.1.0", "reason": "x" * 301})
    assert too_long.status_code == 422
    assert (
        client.post(PAGE, {"do": "yank", "version": "1.1.0", "reason": "It forgets <b>the</b> key."}).status_code == 302
    )
    second.refresh_from_db()
    second.experience.refresh_from_db()
    assert (second.yanked_reason, second.experience.latest.version) == ("It forgets <b>the</b> key.", "1.0.0")
    page = Client().get("/experiences/acme/write-greeting/1.1.0").content.decode()
    assert "It forgets &lt;b&gt;the&lt;/b&gt; key." in page
    told = OutboxEvent.objects.filter(kind="version.yanked")
    assert set(told.values_list("organization__slug", flat=True)) == {"acme", "globex"}
    assert client.post(PAGE, {"do": "yank", "version": "1.1.0", "reason": "another"}).status_code == 302
    second.refresh_from_db()
    assert second.yanked_reason == "It forgets <b>the</b> key."
    assert client.post(PAGE, {"do": "unyank", "version": "1.1.0"}).status_code == 302
    second.refresh_from_db()
    second.experience.refresh_from_db()
    assert (second.yanked_at, second.yanked_reason, second.experience.latest_id) == (None, "", second.pk)
    assert [len(audit(action)) for action in ("version.yank", "version.unyank")] == [1, 1]
    assert told.count() == 4
    assert client.post(PAGE, {"do": "yank", "version": "9.9.9"}).status_code == 404


def test_only_publishers_withdraw(market: Market) -> None:
    path = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/yank"
    for headers in (market.key(market.acme, "read").headers, market.key(market.globex).headers):
        for method in (Client().post, Client().delete):
            answer = method(path, {"reason": "x"}, content_type="application/json", headers=headers)
            assert answer.status_code == 403
    market.public.refresh_from_db()
    assert market.public.yanked_at is None


def test_a_page_leads_to_what_supersedes_it_when_its_own_publisher_says_so(market: Market) -> None:
    page = "/experiences/acme/write-greeting"
    publish(market.globex, name="hijack", title="Take their users", supersedes=["acme/write-greeting"])
    publish(market.acme, visibility="organization", name="inner", title="Not yet", supersedes=["acme/write-greeting"])
    assert "takes its place" not in Client().get(page).content.decode()
    publish(market.acme, name="greet-better", title="Greet better", supersedes=["acme/write-greeting"])
    for path in (page, f"{page}/1.0.0"):
        text = Client().get(path).content.decode()
        assert text.count("takes its place") == 1
        assert 'href="/experiences/acme/greet-better">Greet better' in text
    assert "Not yet" in market.signed_in(market.acme).get(page).content.decode()
