"""Statements in one file: an in-toto bundle (JSON Lines of DSSE envelopes) that other tools read, too.

The first line is the version's summary, then every statement it relies on. What proves that a line is in the public
log stands beside its envelope in the field ``log``, which DSSE lets other readers pass over.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust.log import envelope_digest
from keiken.trust.statements import TEST_RESULT
from keiken.trust.summaries import SUMMARY

BUNDLE_LIMIT = 32 << 20
LINES_LIMIT = 1000


def bundle_of(document: Mapping[str, Any], inputs: tuple[str, ...]) -> str:
    """The file for a document as ``…/attestations`` gives it, whose summary relies on ``inputs`` (digests)."""
    chosen = [item for item in document["attestations"] if envelope_digest(item["envelope"]) in inputs]
    note = document["checkpoint"]
    lines = [
        {**item["envelope"], "log": {**item["log"], "checkpoint": note}} for item in (document["summary"], *chosen)
    ]
    return "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)


def read_bundle(content: bytes) -> dict[str, Any]:
    """The document that was exported, still unverified. Raises TrustError ``bundle_malformed``."""
    try:
        if len(content) > BUNDLE_LIMIT or not content.endswith(b"\n"):
            raise ValueError("cut off, or too large")
        lines = [json.loads(line) for line in content.decode().splitlines()]
        notes = {line["log"]["checkpoint"] for line in lines}
        if not 2 <= len(lines) <= LINES_LIMIT or len(notes) != 1:
            raise ValueError("lines or checkpoints")
        items = [_item(line) for line in lines]
        kinds = [_kind(line) for line in lines]
        if kinds != [SUMMARY, *[TEST_RESULT] * (len(lines) - 1)]:
            raise ValueError("kinds of statements")
        return {"summary": items[0], "attestations": items[1:], "checkpoint": notes.pop()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise TrustError(
            "bundle_malformed",
            _("This is no bundle of signed statements, or it was damaged or cut off."),
            _("Export it again with 'keiken attestations ORG/NAME@VERSION --export FILE'."),
        ) from None


def subject_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """Name and digest that the summary is about, still unverified. Raises TrustError ``bundle_malformed``."""
    try:
        (subject,) = _statement(document["summary"]["envelope"])["subject"]
        return str(subject["name"]), "sha256:" + str(subject["digest"]["sha256"])
    except (ValueError, TypeError, KeyError):
        raise TrustError("bundle_malformed", _("This is no bundle of signed statements, or it was damaged.")) from None


def _item(line: dict[str, Any]) -> dict[str, Any]:
    envelope = {name: line[name] for name in ("payload", "payloadType", "signatures")}
    return {"envelope": envelope, "log": {name: line["log"][name] for name in ("index", "leaf", "hashes")}}


def _kind(line: Mapping[str, Any]) -> str:
    return str(_statement(line)["predicateType"])


def _statement(envelope: Mapping[str, Any]) -> dict[str, Any]:
    document = json.loads(base64.b64decode(envelope["payload"], validate=True))
    if not isinstance(document, dict):
        raise ValueError("no statement")
    return document
