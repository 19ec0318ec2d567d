"""What the pages show of verdicts over time and over environments: strips, matrices, badges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db.models import F, Prefetch, QuerySet, Window, prefetch_related_objects
from django.db.models.functions import RowNumber
from django.utils import timezone

from experiences.domain.verdicts import NEUTRAL
from experiences.models import Experience, ScenarioResult, Verification, Version
from experiences.selectors import status_of, valid_until, verification_status

STRIP_VERDICTS = 30
STRIP_ENVIRONMENTS = 20
ROWS_LIMIT = 3_000
MATRIX_VERSIONS = 8
MATRIX_EXPERIENCES = 25

Badge = Literal["passed", "failed", "flaky", "unverified", "expired"]


@dataclass(frozen=True, slots=True)
class Strip:
    """The last verdicts in one environment, oldest first."""

    environment: str
    verdicts: Sequence[Verification]

    @property
    def passed(self) -> int:
        return sum(row.verdict == "passed" for row in self.verdicts)


@dataclass(frozen=True, slots=True)
class Cell:
    """The last verdict of one version in one environment. ``word``: the verdict, ``aged``, ``queued``, ``running``."""

    word: str
    row: Verification


@dataclass(slots=True)
class MatrixRow:
    version: Version
    cells: list[Cell | None] = field(default_factory=list)


@dataclass(slots=True)
class Matrix:
    environments: list[str]
    rows: list[MatrixRow]


class Verdicts:
    """The last verifications of some versions in each environment, fetched by one query and looked at in many ways.

    Rows carry ``version``, ``environment`` without its facts, and ``attested_at``.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        self.versions = {version.pk: version for version in versions}
        place = Window(
            RowNumber(),
            partition_by=[F("version_id"), F("environment_name")],
            order_by=[F("created_at").desc(), F("pk").desc()],
        )
        rows = (
            Verification.objects.filter(version__in=self.versions)
            .annotate(place=place, attested_at=F("attestation__created_at"))
            .filter(place__lte=STRIP_VERDICTS)
            .select_related("environment")
            .defer("environment__facts")
            .order_by("environment_name", "created_at", "pk")
        )
        self.rows = list(rows[:ROWS_LIMIT])
        for row in self.rows:
            row.version = self.versions[row.version_id]

    def newest(self, version: Version) -> list[Verification]:
        """The newest one in each environment, done or not, with its results but not their reports."""
        found = list({row.environment_name: row for row in self._of(version)}.values())
        prefetch_related_objects(found, Prefetch("results", ScenarioResult.objects.defer("report")))
        return found

    def status(self, version: Version) -> dict[str, Any]:
        """As ``experiences.selectors.verification_status`` tells it."""
        rows = [row for row in self._of(version) if not row.is_trial]
        done = {row.environment_name: row for row in rows if row.finished_at is not None}
        return status_of(list(done.values()), is_waiting=any(row.finished_at is None for row in rows))

    def signed_count(self, version: Version) -> int:
        """In how many environments some verdict about it was signed."""
        return len({row.environment_name for row in self._of(version) if row.attested_at is not None})  # type: ignore[attr-defined]  # annotated

    def strips(self) -> list[Strip]:
        """Of all the versions together, the last thirty concluded ones of each environment."""
        found: dict[str, list[Verification]] = defaultdict(list)
        for row in self.rows:
            if row.finished_at is not None:
                found[row.environment_name].append(row)
        kept = list(found.items())[:STRIP_ENVIRONMENTS]
        return [Strip(environment, _last(rows)) for environment, rows in kept]

    def matrix(self) -> Matrix:
        """Versions down, environments across: where each holds, where not, and where nobody has tried."""
        open_rows = {(row.version_id, row.environment_name): row for row in self.rows}
        done = {(row.version_id, row.environment_name): row for row in self.rows if row.finished_at is not None}
        found = {key: _cell(row) for key, row in {**open_rows, **done}.items()}
        environments = sorted({name for _version, name in found})
        lines = [
            MatrixRow(version, [found.get((version.pk, environment)) for environment in environments])
            for version in self.versions.values()
        ]
        return Matrix(environments, lines)

    def _of(self, version: Version) -> list[Verification]:
        return [row for row in self.rows if row.version_id == version.pk]


def _last(rows: list[Verification]) -> list[Verification]:
    return sorted(rows, key=lambda row: (row.finished_at or row.created_at, row.pk))[-STRIP_VERDICTS:]


def _cell(row: Verification) -> Cell:
    if row.finished_at is None:
        return Cell(row.state, row)
    has_aged = row.verdict == "passed" and valid_until(row) <= timezone.now()
    return Cell("aged" if has_aged else row.verdict, row)


def listed_versions(visible: QuerySet[Experience], *, organization: str = "", after: int = 0) -> list[Version]:
    """The latest versions of visible experiences, newest experience first, one more than a page shows."""
    rows = visible.filter(latest__isnull=False)
    if organization:
        rows = rows.filter(organization__slug=organization)
    if after:
        rows = rows.filter(pk__lt=after)
    latest = Version.objects.filter(pk__in=rows.order_by("-pk").values("latest_id")[: MATRIX_EXPERIENCES + 1])
    found = latest.select_related("experience__organization").defer("manifest", "skill", "search")
    return list(found.order_by("-experience_id"))


def badge_of(version: Version) -> Badge:
    """What the badge of a version says: its last verdicts, and whether what passed is still young enough to count."""
    return badge_state(verification_status(version))


def badge_state(status: Mapping[str, Any]) -> Badge:
    """Of what ``verification_status`` tells."""
    verdicts = {
        environment["verdict"]
        for environment in status["environments"].values()
        if environment["verdict"] not in NEUTRAL
    }
    if status["status"] == "verified":
        return "passed"
    if status["status"] == "failing":
        return "flaky" if verdicts <= {"passed", "flaky"} else "failed"
    ends = [item["valid_until"] for item in status["environments"].values() if item["verdict"] == "passed"]
    return "expired" if ends and min(ends) <= timezone.now() else "unverified"
