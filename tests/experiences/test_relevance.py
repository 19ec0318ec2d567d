"""What people look for comes first: held over queries that were judged before the search was tuned."""

from __future__ import annotations

import pytest

from tests.relevance import judge, mean, ndcg, put_on_the_shelf

FLOOR = 0.93


def test_the_measure_itself() -> None:
    grades = {"a": 3, "b": 1}
    assert ndcg(["a", "b"], grades) == 1.0
    assert ndcg([], grades) == 0.0
    assert ndcg(["x", "a"], grades) == pytest.approx((7 / 1.58496) / (7 + 1 / 1.58496), abs=1e-4)
    assert ndcg(["b", "a"], grades) < ndcg(["a", "x", "b"], grades) < 1.0


def test_what_people_look_for_comes_first(db: None) -> None:
    put_on_the_shelf()
    results = judge()
    japanese = [result for result in results if result.is_japanese]
    english = [result for result in results if not result.is_japanese]
    for result in sorted(results, key=lambda item: item.ndcg):
        if result.ndcg < 0.95:
            print(f"  {result.ndcg:.3f}  {result.query}: {', '.join(result.found[:5]) or 'nothing'}")
    print(
        f"nDCG@10 of {len(english)} English queries {mean(english):.3f}, of {len(japanese)} Japanese {mean(japanese):.3f}, of all {mean(results):.3f}"
    )
    assert (len(english), len(japanese)) == (54, 24)
    assert mean(english) >= FLOOR
    assert mean(japanese) >= FLOOR
