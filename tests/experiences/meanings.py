"""How tests ask for what is alike in meaning."""

from __future__ import annotations

from typing import Any

from accounts.actors import ANONYMOUS, Actor
from experiences.search.find import Found, Question, find


def ask(actor: Actor = ANONYMOUS, **question: Any) -> Found:
    return find(actor, Question(**question))


def names(found: Found) -> list[str]:
    return [hit.version.experience.name for hit in found.hits]


def why(found: Found) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    return {hit.version.experience.name: [(it.word, it.fields) for it in hit.reasons] for hit in found.hits}
