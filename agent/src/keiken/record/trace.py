"""Level 0 of a draft: what was recorded, redacted, one JSON document a line. It is never needed to replay."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from keiken.record.redact import Redactor
from keiken.record.session import Line

OUTPUT_KEPT = 16 << 10
"""Characters of the end of each output that the trace keeps."""
OUTPUTS_KEPT = 2 << 20
"""Characters of all outputs together; a package may not grow without bound because a session was talkative."""


def trace_of(lines: Sequence[Line], redactor: Redactor) -> str:
    """The lines. Their secrets must be known to the redactor."""
    left, documents = OUTPUTS_KEPT, []
    for line in lines:
        # Redacted before it is cut: half a secret would not be found.
        outputs = [redactor.scrub(text)[-OUTPUT_KEPT:] for text in (line.stdout, line.stderr)]
        left -= sum(map(len, outputs))
        if left < 0:
            outputs = ["", ""]
        document = asdict(replace(line, stdout=outputs[0], stderr=outputs[1]))
        documents.append(_visible(json.dumps(_redacted(document, redactor), ensure_ascii=False)))
    return "".join(f"{document}\n" for document in documents)


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        # Names of files need not be UTF-8; the trace is.
        return redactor.redact(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_redacted(key, redactor): _redacted(item, redactor) for key, item in value.items()}
    return [_redacted(item, redactor) for item in value] if isinstance(value, list) else value


def _visible(document: str) -> str:
    """What cannot be seen, as JSON may write it: no review lets it pass unescaped."""
    return re.sub(r"[^\n -~]", lambda match: _escaped(match.group()), document)


def _escaped(one: str) -> str:
    if unicodedata.category(one) not in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp"):
        return one
    return json.dumps(one)[1:-1]
