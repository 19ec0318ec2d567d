"""What goes into a report: masked, without what could steer a terminal or could not be stored, and not too large."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from keiken.errors import KeikenError
from keiken.i18n import _
from keiken.replay.masking import Mask
from keiken.replay.report import CheckRecord, Report, StepRecord

TAIL_CHARACTERS = 4_000
DETAIL_CHARACTERS = 1_000
VALUE_CHARACTERS = 64_000
REPORT_BYTES = 3 << 20
"""A marketplace takes reports up to 4 MiB."""
_STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Control and direction characters escaped: what a step printed must not steer somebody's terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in _STEERING
        else character.encode("unicode_escape").decode()
        for character in text
    )


def storable(value: Any) -> Any:
    """JSON that a database takes: no NUL, no half characters."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\0", "\\0"))
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def plain(value: Any) -> Any:
    """JSON values stay; bytes become text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def check_size(name: str, value: Any) -> None:
    """Raises KeikenError ``output_too_large``: a report is no place for files."""
    if len(json.dumps(value, ensure_ascii=False)) > VALUE_CHARACTERS:
        raise KeikenError(
            "output_too_large",
            _("The value of '{name}' has more than 64,000 characters.").format(name=name),
            _("Let a step write it to a file, and give its sha256 instead."),
        )


def masked_step(record: StepRecord, mask: Mask) -> StepRecord:
    return record.model_copy(
        update={
            "title": printable(mask.text(record.title)),
            "command": printable(mask.text(record.command)[:TAIL_CHARACTERS]),
            "reason": printable(mask.text(record.reason)),
            "stdout": printable(mask.text(record.stdout)[-TAIL_CHARACTERS:]),
            "stderr": printable(mask.text(record.stderr)[-TAIL_CHARACTERS:]),
            "checks": [masked_check(check, mask) for check in record.checks],
            "outputs": storable(mask.value(record.outputs)),
            "changed": [printable(mask.text(path)) for path in record.changed],
        }
    )


def masked_check(record: CheckRecord, mask: Mask) -> CheckRecord:
    return record.model_copy(
        update={
            "expression": printable(mask.text(record.expression)),
            "detail": printable(mask.text(record.detail)[:DETAIL_CHARACTERS]),
        }
    )


def masked(report: Report, mask: Mask) -> Report:
    """A copy that may be kept. Identifiers, digests, times and codes stay as they are."""
    copy = report.model_copy(
        update={
            "reason": printable(mask.text(report.reason)),
            "advice": printable(mask.text(report.advice)),
            "parameters": storable(mask.value(report.parameters)),
            "result": storable(mask.value(report.result)),
            "facts": storable(mask.value(report.facts)),
            "checks": [masked_check(check, mask) for check in report.checks],
            "steps": [masked_step(step, mask) for step in report.steps],
            "undo": [masked_step(step, mask) for step in report.undo],
            "network": [
                one.model_copy(update={"host": printable(mask.text(one.host)), "method": printable(one.method)})
                for one in report.network
            ],
        }
    )
    return _bounded(copy)


def _bounded(report: Report) -> Report:
    """Leave out the least telling parts until it can be sent: first what succeeded, then all outputs of steps."""
    for shorten in (_shorten_output, _drop_outputs):
        if len(report.model_dump_json().encode()) <= REPORT_BYTES:
            break
        report = report.model_copy(
            update={"steps": [shorten(s) for s in report.steps], "undo": [shorten(s) for s in report.undo]}
        )
    return report


def _shorten_output(record: StepRecord) -> StepRecord:
    if record.status != "succeeded":
        return record
    return record.model_copy(update={"stdout": record.stdout[-200:], "stderr": record.stderr[-200:]})


def _drop_outputs(record: StepRecord) -> StepRecord:
    left_out = {name: _("left out: the report was too large") for name in record.outputs}
    return record.model_copy(update={"outputs": left_out, "checks": record.checks[:20], "changed": record.changed[:20]})
