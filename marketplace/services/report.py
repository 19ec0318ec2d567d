"""Take a replay's report from the field: once per replay, from organizations that may replay."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM, Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.services import audit, outbox
from experiences.models import Experience, Verification, Version
from experiences.reverification import rules_for
from experiences.services import enqueue_verification
from keiken.replay.report import Report
from licensing.services.count_replay import count_replay
from licensing.services.issue_token import is_counted
from marketplace.access import entitlement
from marketplace.domain.reports import TROUBLING, asks_for_proof
from marketplace.interest import is_run_by_people_of
from marketplace.models import ReplayReport
from marketplace.services.scoring import ask_for_score


def submit_report(*, actor: Actor, experience: Experience, report: Report) -> tuple[ReplayReport, bool]:
    """The stored report, and whether it is new. The same report again changes nothing.

    A successful replay counts against the license's quota. Raises entitlement's refusals, ``quota_exhausted``, Invalid
    when the report is about something else, Conflict when the ``replay_id`` is taken by another report of this
    organization.
    """
    allowed = entitlement(actor, experience, scope="report", permission="replay_experience")
    version = _version_of(experience, report)
    if allowed.grant is not None and report.outcome == "succeeded" and is_counted(allowed.grant):
        # Counted by the replay's own id: killed before the report is stored, the next try counts no second one.
        count_replay(grant=allowed.grant, receipt_id=_replay_id(report))
    body = report.model_dump(mode="json")
    with transaction.atomic(durable=True):
        row, created = _store(actor, version, report, body)
        if created:
            audit.record(
                actor=actor,
                action="report.submit",
                target=str(version),
                organization_id=actor.organization_id,
                details={"replay_id": str(row.replay_id), "outcome": row.outcome},
            )
            ask_for_score(experience.pk)
            if row.outcome in TROUBLING:
                _tell(version, row)
    if not created and _told_by_replayer(row.report) != _told_by_replayer(body):
        raise Conflict(
            "replay_id_taken",
            _("Your organization has already reported another replay under this replay_id."),
            _("Give every replay its own random UUID."),
        )
    if created and row.outcome in TROUBLING:
        _ask_for_proof(version)
    return row, created


def _version_of(experience: Experience, report: Report) -> Version:
    if report.experience != str(experience):
        raise Invalid(
            "report_of_another",
            _("The report is about '{name}', not about this experience.").format(name=report.experience[:140]),
            _("Send it to the experience it names."),
        )
    version = experience.versions.select_related("experience__organization").filter(version=report.version).first()
    if version is None or version.blob_id != report.digest:
        raise Invalid(
            "report_digest_unknown",
            _("No version {version} with this digest was published.").format(version=report.version[:64]),
            _("Report replays of published packages only: pull the package again and replay that."),
        )
    return version


def _store(actor: Actor, version: Version, report: Report, body: dict[str, Any]) -> tuple[ReplayReport, bool]:
    assert actor.organization_id is not None, "a scope beyond read comes with an organization"
    return ReplayReport.objects.get_or_create(
        organization_id=actor.organization_id,
        replay_id=_replay_id(report),
        defaults={
            "actor_kind": actor.kind,
            "actor_name": actor.name[:100],
            "version": version,
            "outcome": report.outcome,
            "code": report.code[:60],
            "environment_name": (report.executor.environment if report.executor else "")[:64],
            "facts": body["facts"],
            "is_by_insiders": is_run_by_people_of(actor.organization_id, version.experience.organization_id),
            "duration_seconds": max(0.0, report.duration_seconds),
            "report": body,
        },
    )


def _told_by_replayer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Savings are its sender's: sent again without them or with others it is the same replay. The first ones count."""
    return {name: value for name, value in body.items() if name != "savings"}


def _replay_id(report: Report) -> uuid.UUID:
    try:
        return uuid.UUID(report.replay_id)
    except ValueError:
        raise Invalid(
            "replay_id_malformed", _("The replay_id is no UUID."), _("Give every replay its own random UUID.")
        ) from None


def _tell(version: Version, row: ReplayReport) -> None:
    """The publisher learns what went wrong where, not for whom."""
    data = {
        "experience": str(version.experience),
        "version": version.version,
        "outcome": row.outcome,
        "code": row.code,
        "environment": row.environment_name,
    }
    outbox.tell("report.diverged", [version.experience.organization_id], data)


def _ask_for_proof(version: Version) -> None:
    """Prove the version again when enough replays in the field diverged since the last proof."""
    proofs = Verification.objects.filter(version=version)
    proven_at = proofs.filter(state="done").aggregate(at=Max("started_at"))["at"]
    troubles = ReplayReport.objects.filter(version=version, outcome__in=TROUBLING)
    if proven_at is not None:
        troubles = troubles.filter(created_at__gt=proven_at)
    last_asked_at = proofs.filter(trigger="divergence").aggregate(at=Max("created_at"))["at"]
    enough = rules_for(version.experience).diverging_reports
    if not asks_for_proof(troubles=troubles.count(), enough=enough, last_asked_at=last_asked_at, now=timezone.now()):
        return
    names = {name for scenario in version.manifest.get("scenarios", []) for name in scenario["environments"]}
    for name in sorted(names):
        enqueue_verification.enqueue(version=version, environment_name=name, trigger="divergence", actor=SYSTEM)
