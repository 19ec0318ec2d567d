"""Quality and replays are written by a layer above through one door, which writes only what changed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Organization
from experiences.models import Experience
from experiences.services.set_standing_figures import StandingFigures, set_standing_figures
from tests.experiences.conftest import publish


@pytest.fixture
def experience(acme: Organization, sent: list[Any]) -> Experience:
    return publish(acme).experience


def figures(experience: Experience) -> tuple[float | None, int]:
    experience.refresh_from_db()
    return experience.quality, experience.replay_count


def test_a_new_experience_is_not_scored_yet(experience: Experience) -> None:
    assert figures(experience) == (None, 0)


def test_only_what_changed_is_written(experience: Experience) -> None:
    item = StandingFigures(experience_id=experience.pk, quality=0.75, replay_count=3)
    absent = StandingFigures(experience_id=experience.pk + 1, quality=0.1, replay_count=1)
    assert set_standing_figures([item, absent]) == 1
    assert figures(experience) == (0.75, 3)
    assert set_standing_figures([item]) == 0


def test_of_two_figures_the_later_counts(experience: Experience) -> None:
    pair = [StandingFigures(experience_id=experience.pk, quality=q, replay_count=n) for q, n in ((0.2, 1), (None, 2))]
    assert set_standing_figures(pair) == 1
    assert figures(experience) == (None, 2)


@pytest.mark.parametrize(("quality", "count"), [(1.01, 0), (-0.1, 0), (math.nan, 0), (0.5, -1), (0.5, 1 << 31)])
def test_figures_that_are_none_are_refused(quality: float, count: int) -> None:
    with pytest.raises(ValueError, match=r"quality is a share|replay_count is a count"):
        StandingFigures(experience_id=1, quality=quality, replay_count=count)


def test_the_database_holds_the_promise_too(experience: Experience) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Experience.objects.filter(pk=experience.pk).update(quality=1.5)
    assert figures(experience) == (None, 0)
