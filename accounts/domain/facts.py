"""What may be kept as the facts of a machine: one flat object of names and plain values, bounded."""

from __future__ import annotations

import json
from typing import Any, Final

from django.utils.translation import gettext as _

from accounts.domain.refusals import Invalid

FACTS_MAX: Final = 2_000
KEY_MAX_CHARACTERS: Final = 200
CHARACTERS_MAX: Final = 64_000


def stated_facts(document: Any) -> dict[str, Any]:
    """``document`` itself, or its part ``facts``. Raises Invalid ``facts_malformed`` or ``facts_too_large``.

    A name that this version of the vocabulary does not know is kept: the machine may be described by a newer one.
    """
    if isinstance(document, dict) and isinstance(document.get("facts"), dict):
        document = document["facts"]
    if not isinstance(document, dict) or not document:
        raise _malformed(_("Facts are one JSON object of names and values."))
    if len(document) > FACTS_MAX or len(json.dumps(document, ensure_ascii=False)) > CHARACTERS_MAX:
        raise Invalid(
            "facts_too_large",
            _("This is too long to be the facts of a machine."),
            _("Give only what 'keiken facts --json' prints."),
        )
    for key, value in document.items():
        items = value if isinstance(value, list) else [value]
        if not 0 < len(key) <= KEY_MAX_CHARACTERS or not key.isprintable():
            raise _malformed(_("The name of a fact has at most {limit} characters.").format(limit=KEY_MAX_CHARACTERS))
        if any(isinstance(item, dict | list) for item in items):
            raise _malformed(_("The fact {key} is neither a plain value nor a list of such.").format(key=key[:60]))
    return document


def _malformed(message: str) -> Invalid:
    return Invalid("facts_malformed", message, _("Give all of what 'keiken facts --json' prints."))
