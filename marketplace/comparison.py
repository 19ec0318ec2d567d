"""Two versions held against each other, for the page and for the API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext_lazy

from accounts.actors import Actor
from experiences.access import version_for
from experiences.models import Version
from keiken.conditions.versions import in_range
from licensing.selectors import offers_of
from marketplace.domain.changes import Change, Document, Offered, SectionName, changes
from marketplace.prices import price_of

SECTIONS: dict[SectionName, Any] = {
    "permissions": gettext_lazy("What it may touch"),
    "conditions": gettext_lazy("Where it holds"),
    "parameters": gettext_lazy("Parameters"),
    "steps": gettext_lazy("Steps"),
    "undo": gettext_lazy("Steps that put things back"),
    "checks": gettext_lazy("Checks after every step, and the result"),
    "scenarios": gettext_lazy("How it is proven"),
    "license": gettext_lazy("License"),
    "terms": gettext_lazy("Price and terms"),
    "words": gettext_lazy("In words"),
}
KINDS = {
    "added": gettext_lazy("new"),
    "removed": gettext_lazy("gone"),
    "changed": gettext_lazy("changed"),
    "moved": gettext_lazy("in another place"),
}
EFFECTS = {
    "asks_more": gettext_lazy("It may touch more than before."),
    "asks_less": gettext_lazy("It may touch less than before."),
    "holds_wider": gettext_lazy("It is said to hold in more places."),
    "holds_narrower": gettext_lazy("It holds in fewer places: look whether yours is among them."),
    "must_be_given": gettext_lazy("Must be given now: a replay without it is refused."),
    "refuses_old": gettext_lazy("Not taken any more: a replay that gives it is refused."),
    "checks_less": gettext_lazy("A check is gone or another one."),
}
NAMES = {
    "commands": gettext_lazy("commands"),
    "write": gettext_lazy("files it writes"),
    "network": gettext_lazy("network"),
    "tools": gettext_lazy("tools"),
    "secrets": gettext_lazy("secrets"),
    "invariants": gettext_lazy("after every step"),
}
CAUTIONS = frozenset({"asks_more", "holds_narrower", "must_be_given", "refuses_old", "checks_less"})
"""Effects that somebody who goes from one version to the next should read first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``old`` and ``new`` as they were named, whichever was published first."""

    old: Version
    new: Version
    sections: dict[SectionName, list[Change]]

    @property
    def is_same(self) -> bool:
        """The very same bytes, not only the same words."""
        return self.old.blob_id == self.new.blob_id

    @property
    def cautions(self) -> list[tuple[Any, Change]]:
        """(sentence, change) of what needs a second look."""
        return [
            (EFFECTS[effect], change)
            for section in self.sections.values()
            for change in section
            for effect in change.effects
            if effect in CAUTIONS
        ]


def compared(actor: Actor, organization: str, name: str, old: str, new: str) -> Comparison:
    """Raises NotFound where the actor may not see one of the two."""
    before, after = (version_for(actor, organization, name, version) for version in (old, new))
    sections = changes(_document(before), _document(after), _offered(actor, before, after))
    return Comparison(old=before, new=after, sections=sections)


def document_of(found: Comparison) -> dict[str, Any]:
    """As the API tells it."""
    return {
        "experience": str(found.new.experience),
        "old": _about(found.old),
        "new": _about(found.new),
        "is_same": found.is_same,
        "sections": [
            {"section": name, "changes": [asdict(change) for change in section]}
            for name, section in found.sections.items()
        ],
    }


def _about(version: Version) -> dict[str, Any]:
    return {"version": version.version, "digest": version.blob_id, "published_at": version.published_at}


def _document(version: Version) -> Document:
    return Document(version.manifest, str(version.skill.get("body", "")))


def _offered(actor: Actor, old: Version, new: Version) -> list[Offered]:
    return [
        Offered(
            name=f"{offer.terms.name} v{offer.terms.version}",
            text=price_of(offer),
            for_old=not offer.versions or in_range(old.version, offer.versions),
            for_new=not offer.versions or in_range(new.version, offer.versions),
        )
        for offer in offers_of(new.experience, actor)
    ]
