"""What somebody looks for in an audit trail, as a form or an address tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from django.utils.translation import gettext as _

from accounts.domain.refusals import Invalid

TEXT_MAX_CHARACTERS = 100
NAMES = ("actor", "action", "target", "since", "until")


@dataclass(frozen=True)
class AuditFilter:
    """Empty parts ask for everything."""

    actor: str = ""
    """Part of the name of who did it."""
    action: str = ""
    """How the action begins: ``key.`` finds all that was done with keys."""
    target: str = ""
    """Part of what it was done to."""
    since: date | None = None
    until: date | None = None
    """The last day that still counts, in UTC."""

    def as_query(self) -> dict[str, str]:
        """Only what is asked for, for an address."""
        return {name: str(value) for name, value in asdict(self).items() if value}


def read_filter(given: Mapping[str, str]) -> AuditFilter:
    """Raises Invalid ``filter_invalid``."""
    texts = {name: given.get(name, "").strip() for name in NAMES}
    if any(len(text) > TEXT_MAX_CHARACTERS or "\0" in text for text in texts.values()):
        raise _refuse(_("What you look for is too long."))
    days = {}
    for name in ("since", "until"):
        try:
            days[name] = date.fromisoformat(texts[name]) if texts[name] else None
        except ValueError:
            raise _refuse(_("'{text}' is no day.").format(text=texts[name][:20])) from None
    return AuditFilter(texts["actor"], texts["action"], texts["target"], days["since"], days["until"])


def _refuse(message: str) -> Invalid:
    return Invalid("filter_invalid", message, _("Write days like 2026-11-28, and texts of at most 100 characters."))
