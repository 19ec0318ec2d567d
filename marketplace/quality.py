"""Reading what the quality of an experience is made of: proofs, reports, ratings, and who is one party with whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Window
from django.db.models.fields.json import KT
from django.db.models.functions import RowNumber
from django.utils import timezone

from accounts.models import AuditEntry
from experiences.domain.verdicts import NEUTRAL
from experiences.models import Experience, Verification, Version
from experiences.selectors import strengths_of, verification_status
from licensing.selectors import payments_between
from marketplace.domain.quality import FORMULA, PARTY_USES, Evidence, Proof, Trouble, Use, Vote
from marketplace.domain.reports import REACHED
from marketplace.domain.reviews import used_in
from marketplace.models import QualityScore, ReplayReport
from marketplace.reviews import counted_ratings
from marketplace.wording import environments

FIELD_WINDOW = timedelta(days=180)
"""What was so earlier says little about what is there now."""
USES_LIMIT = 20_000
VERDICTS_LIMIT = 30
HISTORY_LIMIT = 1000


def evidence_of(experience: Experience, version: Version) -> Evidence:
    """Everything that counts for it; ``version`` is its latest. Nothing of the publisher's own party is in it."""
    reports, ratings = _reports(experience, version), _ratings(experience)
    parties = Parties.read(experience.organization_id, {row["organization_id"] for row in (*reports, *ratings)})
    strengths = strengths_of(version).values()
    decided = _decided(version)
    return Evidence(
        proofs=_proofs(version),
        verdicts=len(decided),
        flaky=decided.count("flaky"),
        mutants=sum(item.n for item in strengths),
        caught=sum(item.caught for item in strengths),
        policy_days=float(settings.KEIKEN.reverify_days),
        uses=[use for row in reports if (use := _use(row, parties))],
        votes=[vote for row in ratings if (vote := _vote(row, parties, version.major))],
        troubles=_troubles(experience, version),
    )


def score_of(experience: Experience) -> QualityScore | None:
    """As it was last worked out. No query where the experience was fetched with its ``score``."""
    return getattr(experience, "score", None)


def document_of(row: QualityScore | None) -> dict[str, Any]:
    """As the API tells it: ``{value, formula, computed_at, components: [{name, value, weight, evidence}]}``."""
    if row is None:
        return {"value": None, "formula": FORMULA, "computed_at": None, "components": []}
    return {
        "value": row.value,
        "formula": row.formula,
        "computed_at": row.computed_at,
        "components": row.components,
    }


def replays_of(experience: Experience) -> int:
    """How many replays by others were reported that reached a step, of all versions."""
    rows = ReplayReport.objects.filter(version__experience=experience, outcome__in=REACHED)
    return rows.exclude(organization_id=experience.organization_id).count()


def _proofs(version: Version) -> list[Proof]:
    """One for each environment the version promises or was tried in, those aside that it is not made for."""
    concluded = verification_status(version)["environments"]
    names = {*environments(version.manifest), *concluded}
    return [
        _proof(name, concluded.get(name))
        for name in sorted(names)
        if name not in concluded or concluded[name]["verdict"] not in NEUTRAL
    ]


def _proof(name: str, found: Mapping[str, Any] | None) -> Proof:
    if found is None:
        return Proof(name, is_pass=False, age_days=0.0)
    is_pass = found["verdict"] == "passed" and found["attested_at"] is not None
    return Proof(name, is_pass=is_pass, age_days=_days(timezone.now() - found["finished_at"]))


def _days(span: timedelta) -> float:
    return max(0.0, span / timedelta(days=1))


def _decided(version: Version) -> list[str]:
    rows = Verification.objects.filter(version=version, state=Verification.State.DONE).exclude(verdict__in=NEUTRAL)
    return list(rows.order_by("-finished_at").values_list("verdict", flat=True)[:VERDICTS_LIMIT])


def _troubles(experience: Experience, version: Version) -> list[Trouble]:
    """Newest first: in each environment from a verdict against to the next pass of this version or a later one.

    What the latest version no longer promises ended when that was published.
    """
    rows = (
        Verification.objects.filter(version__experience=experience, state=Verification.State.DONE)
        .exclude(verdict__in=NEUTRAL)
        .order_by("-finished_at")
        .values_list("environment_name", "verdict", "finished_at")[:HISTORY_LIMIT]
    )
    since: dict[str, datetime] = {}
    found: list[tuple[datetime, Trouble]] = []
    for name, verdict, at in reversed(rows):
        assert at is not None, "a constraint gives every concluded verification its end"
        if verdict == "passed":
            if name in since:
                found.append((since[name], Trouble(_days(at - since.pop(name)), is_over=True)))
        else:
            since.setdefault(name, at)
    promised = environments(version.manifest)
    for name, at in since.items():
        is_over = name not in promised and version.published_at > at
        end = version.published_at if is_over else timezone.now()
        found.append((at, Trouble(_days(end - at), is_over=is_over)))
    return [trouble for _at, trouble in sorted(found, key=lambda item: item[0], reverse=True)]


def _reports(experience: Experience, version: Version) -> list[dict[str, Any]]:
    """The newest of each organization about the latest major version."""
    rows = (
        ReplayReport.objects.filter(
            version__experience=experience,
            version__major=version.major,
            outcome__in=REACHED,
            is_by_insiders=False,
            created_at__gt=timezone.now() - FIELD_WINDOW,
        )
        .annotate(
            place=Window(RowNumber(), partition_by=F("organization_id"), order_by=F("created_at").desc()),
            os_id=KT("facts__os.id"),
            os_version=KT("facts__os.version"),
            saved_steps=KT("report__savings__steps"),
            saved_tokens=KT("report__savings__model_tokens"),
        )
        .filter(place__lte=PARTY_USES)
        .order_by("-created_at")
    )
    names = ("organization_id", "outcome", "environment_name", "os_id", "os_version")
    return list(rows.values(*names, "saved_steps", "saved_tokens")[:USES_LIMIT])


def _ratings(experience: Experience) -> list[Mapping[str, Any]]:
    rows = counted_ratings().filter(experience=experience, is_by_insiders=False).order_by("-changed_at")
    return [*rows.values("organization_id", "stars", "major")[:USES_LIMIT]]


def _use(row: Mapping[str, Any], parties: Parties) -> Use | None:
    if not parties.is_independent(row["organization_id"]):
        return None
    where = used_in({"os.id": row["os_id"], "os.version": row["os_version"]}, row["environment_name"])
    return Use(
        party=parties.number(row["organization_id"]),
        is_backed=row["organization_id"] in parties.backed,
        environment=f"{where['os_id']} {where['os_version']}".strip() or where["environment_name"],
        succeeded=row["outcome"] == "succeeded",
        saved_steps=_number(row["saved_steps"]),
        saved_tokens=_number(row["saved_tokens"]),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None


def _vote(row: Mapping[str, Any], parties: Parties, major: int) -> Vote | None:
    if not parties.is_independent(row["organization_id"]):
        return None
    return Vote(
        party=parties.number(row["organization_id"]),
        is_backed=row["organization_id"] in parties.backed,
        stars=row["stars"],
        is_current=row["major"] == major,
    )


@dataclass(frozen=True)
class Parties:
    """Who is one with whom, from what nobody can be drawn into: who founded an organization.

    Membership would let a rival add honest people to an organization and so make them one party with it.
    """

    publisher_id: int
    founders: Mapping[int, int]
    """Organization to the person who created it."""
    backed: frozenset[int]
    """Organizations that have paid somebody else for a license."""

    @classmethod
    def read(cls, publisher_id: int, organization_ids: Iterable[int]) -> Parties:
        wanted = {*organization_ids, publisher_id}
        payments = payments_between(wanted)
        founders = _founders({*wanted, *(seller for _buyer, seller in payments)})
        backed = {buyer for buyer, seller in payments if founders.get(buyer, -buyer) != founders.get(seller, -seller)}
        return cls(publisher_id, founders, frozenset(backed))

    def number(self, organization_id: int) -> int:
        """Organizations of one founder are one party. People have positive numbers, as founders."""
        return self.founders.get(organization_id, -organization_id)

    def is_independent(self, organization_id: int) -> bool:
        return self.number(organization_id) != self.number(self.publisher_id)


def _founders(organization_ids: Iterable[int]) -> dict[int, int]:
    """From the audit trail, which nobody can change."""
    rows = AuditEntry.objects.filter(organization_id__in=organization_ids, action="organization.create")
    found = rows.filter(actor_kind="person", actor_id__isnull=False).values_list("organization_id", "actor_id")
    return {organization_id: person_id for organization_id, person_id in found if organization_id and person_id}
