"""What a publisher looks at: the state of each version, and where replays hold in the field. For their own people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import NotFound
from accounts.models import Organization
from experiences.models import Experience, Verification, Version
from experiences.selectors import verification_statuses
from marketplace.domain.field_map import FactMap, field_map
from marketplace.models import ReplayReport

REPORTS_MAX = 5_000
"""The newest so many make the map."""
VERSIONS_SHOWN = 50
GOOD, BAD = ("succeeded",), ("diverged", "failed")


@dataclass(frozen=True)
class VersionState:
    version: Version
    status: dict[str, Any]
    """As ``verification_statuses`` tells it."""
    waiting: list[Verification]
    """Verifications that are queued or running now."""
    succeeded: int
    troubled: int


def own_experience(actor: Actor, organization: Organization, name: str) -> Experience:
    """One of the organization's own. Raises NotFound, Forbidden; ``organization`` comes from ``organization_for``."""
    actor.require("read", organization.pk)
    found = Experience.objects.select_related("organization", "latest").filter(organization=organization, name=name)
    row = found.first()
    if row is None:
        raise NotFound(_("experience"))
    return row


def published_by(organization: Organization) -> list[Experience]:
    """By name, with ``reported_at`` and how many replays were reported well and badly."""
    rows = organization.experiences.select_related("organization", "latest").annotate(
        succeeded=Count("versions__replay_reports", filter=Q(versions__replay_reports__outcome__in=GOOD)),
        troubled=Count("versions__replay_reports", filter=Q(versions__replay_reports__outcome__in=BAD)),
        reported_at=Max("versions__replay_reports__created_at"),
    )
    return list(rows.order_by("name"))


def version_states(experience: Experience) -> list[VersionState]:
    """Newest first, in four queries."""
    rows = list(
        Version.objects.filter(experience=experience)
        .annotate(
            succeeded=Count("replay_reports", filter=Q(replay_reports__outcome__in=GOOD)),
            troubled=Count("replay_reports", filter=Q(replay_reports__outcome__in=BAD)),
        )
        .order_by("-published_at", "-pk")[:VERSIONS_SHOWN]
    )
    for row in rows:
        row.experience = experience
    statuses = verification_statuses(rows)
    waiting: dict[int, list[Verification]] = {}
    open_ones = Verification.objects.filter(version__in=rows).exclude(state=Verification.State.DONE)
    for item in open_ones.order_by("environment_name"):
        waiting.setdefault(item.version_id, []).append(item)
    return [VersionState(row, statuses[row.pk], waiting.get(row.pk, []), row.succeeded, row.troubled) for row in rows]


def map_of_field(experience: Experience, version: Version | None = None) -> tuple[list[FactMap], int]:
    """Where replays of the version, or of all versions, held; and of how many reports. One query.

    What was refused touched nothing and tells nothing of the procedure; an error is the replayer's own.
    """
    rows = ReplayReport.objects.filter(version__experience=experience, outcome__in=GOOD + BAD)
    if version is not None:
        rows = rows.filter(version=version)
    found = list(rows.order_by("-created_at").values_list("outcome", "facts")[:REPORTS_MAX])
    shown = version or experience.latest
    conditions = set(shown.manifest.get("conditions") or {}) if shown else set()
    reports = ((outcome in GOOD, facts) for outcome, facts in found if isinstance(facts, dict))
    return field_map(reports, conditions), len(found)
