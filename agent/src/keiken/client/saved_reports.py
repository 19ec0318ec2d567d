"""Replay reports as they are kept: ``config_dir()/reports/<replay_id>.json``, and beside it where it was sent."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from keiken.client.logins import write_private
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.paths import config_dir
from keiken.replay.report import Report

_REPLAY_ID = re.compile(r"[0-9a-f-]{8,64}")
_SENT = ".sent.json"


def reports_dir() -> Path:
    return config_dir() / "reports"


def save(report: Report) -> Path:
    """Write the report and make it the last one. Raises KeikenError ``disk_trouble``."""
    path = reports_dir() / f"{report.replay_id}.json"
    write_private(path, report.model_dump(mode="json"))
    write_private(reports_dir() / "last", report.replay_id)
    return path


def load(name: str = "") -> Report:
    """The report with this id or in this file; the last one where none is named.

    Raises UsageError ``report_missing`` or ``report_malformed``.
    """
    path = _path(name or _last())
    try:
        return Report.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            "report_missing",
            _("There is no report {name}.").format(name=name or path),
            _("The reports are in {folder}.").format(folder=reports_dir()),
        ) from None
    except (OSError, ValidationError):
        raise UsageError(
            "report_malformed",
            _("{path} is no replay report.").format(path=path),
            _("Name the file that 'keiken replay' wrote."),
        ) from None


def _path(name: str) -> Path:
    return reports_dir() / f"{name}.json" if _REPLAY_ID.fullmatch(name) else Path(name)


def _last() -> str:
    try:
        return str(json.loads((reports_dir() / "last").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        raise UsageError(
            "report_missing", _("Nothing was replayed yet."), _("Replay something first: 'keiken replay ORG/NAME'.")
        ) from None


@dataclass(frozen=True)
class Sent:
    """That a report was sent, and where to."""

    replay_id: str
    server: str
    experience: str
    version: str
    id: str
    at: str


def remember_sent(report: Report, server: str, stored_id: str) -> None:
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    sent = Sent(report.replay_id, server, report.experience, report.version, stored_id, at)
    write_private(reports_dir() / f"{report.replay_id}{_SENT}", asdict(sent))


def last_sent(server: str, experience: str, version: str = "") -> Sent:
    """The newest report of this experience that was sent to this marketplace. Raises UsageError ``report_not_sent``."""
    found = []
    for path in reports_dir().glob(f"*{_SENT}"):
        try:
            sent = Sent(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if (sent.server, sent.experience) == (server, experience) and version in ("", sent.version):
            found.append(sent)
    if not found:
        raise UsageError(
            "report_not_sent",
            _("No replay of {experience} was reported from here.").format(experience=experience),
            _("Replay it and send the report: 'keiken replay {experience}', then 'keiken report'.").format(
                experience=experience
            ),
        )
    return max(found, key=lambda sent: sent.at)
