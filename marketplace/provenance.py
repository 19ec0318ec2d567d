"""Where a version comes from, and everything that was signed about it: by which key, in which log entry, until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from experiences.models import Attestation, IndependentStatement, PublicKey, Summary, Version
from experiences.public_log import signed_facts

STATEMENTS_SHOWN = 60
VALUE_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signed statement. ``index`` of its entry in the public log is None until it was logged."""

    environment: str
    verdict: str
    signed_at: datetime
    keys: tuple[str, ...]
    index: int | None
    valid_until: datetime | None = None
    is_expired: bool = False
    verification: Any = None
    """The id, for statements of the marketplace itself."""
    verifier: str = ""
    """The organization, for statements of others."""


def public_name(version: Version) -> str:
    """Who published it. A person without a name is known by their e-mail address, which is nobody's business here."""
    return version.experience.organization.name if "@" in version.published_by else version.published_by


def origin_lines(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the package itself says of its making, in words; nobody but the publisher vouches for it."""
    labels = {"recorded_by": _("Recorded by"), "recorder": _("Recorder"), "derived_from": _("Derived from")}
    told = manifest.get("provenance") or {}
    lines = [(labels.get(str(name), str(name)), str(value)[:VALUE_CHARACTERS]) for name, value in told.items()]
    if others := manifest.get("supersedes") or []:
        lines.append((_("Takes the place of"), ", ".join(map(str, others))))
    return lines


def signed_statements(version: Version) -> list[Signed]:
    """Of the marketplace, the newest first."""
    rows = (
        Attestation.objects.filter(verification__version=version)
        .select_related("log_entry", "verification")
        .order_by("-created_at")[:STATEMENTS_SHOWN]
    )
    return [
        Signed(
            environment=row.verification.environment_name,
            verdict=row.verification.verdict,
            signed_at=row.created_at,
            keys=_keys(row.envelope),
            verification=row.verification_id,
            **signed_facts(row),
        )
        for row in rows
    ]


def independent_statements(version: Version) -> list[Signed]:
    """Of other verifiers with keys of their own, the newest first."""
    rows = (
        IndependentStatement.objects.filter(version=version)
        .select_related("log_entry", "organization")
        .order_by("-created_at")[:STATEMENTS_SHOWN]
    )
    return [
        Signed(
            environment=row.environment_name,
            verdict=row.verdict,
            signed_at=row.created_at,
            keys=(row.public_key,),
            index=row.log_entry.index if hasattr(row, "log_entry") else None,
            verifier=row.organization.slug,
        )
        for row in rows
    ]


def newest_summary(version: Version) -> Summary | None:
    return Summary.objects.filter(version=version).select_related("log_entry").order_by("-created_at").first()


def signing_keys() -> list[PublicKey]:
    """Every key the marketplace has signed with, the newest first."""
    return list(PublicKey.objects.defer("signed_by", "revocation").order_by("-not_before", "-pk"))


def _keys(envelope: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(item.get("keyid", "")) for item in envelope.get("signatures") or [])
