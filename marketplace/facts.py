"""Facts as a person pastes them: the output of ``keiken facts --json``, bounded and checked."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError

from accounts.domain.refusals import Invalid
from marketplace.parsing import parse_json

PASTE_MAX_CHARACTERS = 64_000
FACTS_MAX = 2_000


def read_facts(text: str) -> dict[str, Any]:
    """``{"os.id": "debian", …}``. Raises Invalid with one sentence for the person who pasted."""
    if len(text) > PASTE_MAX_CHARACTERS:
        raise Invalid(
            "facts_too_large",
            _("This is too long to be the facts of a machine."),
            _("Paste only what 'keiken facts --json' prints."),
        )
    try:
        document = parse_json(text)
    except ParseError as error:
        raise Invalid(
            "facts_malformed", str(error.detail), _("Paste all of what 'keiken facts --json' prints.")
        ) from None
    return checked_facts(document)


def checked_facts(document: Any) -> dict[str, Any]:
    """The mapping of facts in ``document``, itself or under its key ``facts``. Raises Invalid."""
    if isinstance(document, dict) and isinstance(document.get("facts"), dict):
        document = document["facts"]
    if not isinstance(document, dict) or not document or len(document) > FACTS_MAX:
        raise Invalid(
            "facts_malformed",
            _("Facts are one JSON object of names and values."),
            _("Paste all of what 'keiken facts --json' prints."),
        )
    return document
