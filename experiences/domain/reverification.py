"""When a version is proven again: of all rules that apply to it, the strictest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FIELDS = ("max_age_days", "on_new_environment", "on_environment_change", "diverging_reports", "request_minutes")
MOST_REQUEST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Rules:
    """What applies to one version."""

    max_age_days: int
    """So long a passing verdict counts; it is renewed before."""
    on_new_environment: bool
    """It is also tried in environments that none of its scenarios names."""
    on_environment_change: bool
    """It is proven again when the root file system behind a name has become another one."""
    diverging_reports: int
    """So many diverged or failed reports from the field since the last proof ask for another."""
    request_minutes: int
    """So long its publisher waits between two requests of its own."""

    def document(self) -> dict[str, Any]:
        return asdict(self)


def strictest(site: Rules, asked: Iterable[Mapping[str, Any]]) -> Rules:
    """The site's rules and all that is asked for: the shortest age, the fewest reports, the longest wait; a trigger
    is on when anybody turned it on. What is None says nothing.
    """
    given = list(asked)

    def values(name: str) -> list[Any]:
        return [getattr(site, name), *(wish[name] for wish in given if wish[name] is not None)]

    return Rules(
        max_age_days=min(values("max_age_days")),
        on_new_environment=any(values("on_new_environment")),
        on_environment_change=any(values("on_environment_change")),
        diverging_reports=min(values("diverging_reports")),
        request_minutes=max(values("request_minutes")),
    )


def bounds(site: Rules, least_days: int) -> dict[str, tuple[int, int]]:
    """What may be asked for: never weaker than the site's own rules, and not so strict that the farm starves."""
    return {
        "max_age_days": (min(least_days, site.max_age_days), site.max_age_days),
        "diverging_reports": (1, site.diverging_reports),
        "request_minutes": (site.request_minutes, max(site.request_minutes, MOST_REQUEST_MINUTES)),
    }
