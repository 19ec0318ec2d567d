"""The JSON Schema of ``experience.yaml`` that the project publishes; it is the authority on the format.

Shapes and limits come from the model. What a model says in code (exactly one action in a step) and what is meant by
each key is added here, so that an editor can show it. Rules between parts (a step that exists, a file that is in the
package) no schema can express; those are in ``consistency``.
"""

from __future__ import annotations

from typing import Any

from keiken.package.manifest import ACTIONS, IDENTIFIER_PATTERN, Manifest

ID = "https://keiken.example/schemas/experience-1.json"

DESCRIPTIONS = {
    "Manifest": {
        "experience": "The version of this format.",
        "name": "The name of the experience, also in SKILL.md: lower-case letters, digits and single '-'.",
        "version": "Semantic version. A published version never changes.",
        "title": "What it does, in one line.",
        "summary": "What it does and what for, in a few sentences.",
        "topics": "Words to find it by.",
        "license": "SPDX license expression, or LicenseRef-… with its text in a file LICENSE.",
        "conditions": "Facts that must hold where it is replayed. Every line must hold.",
        "parameters": "What a replay is given: name to a JSON Schema without references and patternProperties.",
        "secrets": "Names of secrets: given at each replay, never stored, masked in every log and report.",
        "permissions": "All that a replay may touch. It is enforced, and shown before anything is licensed.",
        "steps": "What is done, in this order and no other.",
        "invariants": "Checks that must hold after every step.",
        "result": "What a replay gives back: name to a CEL expression.",
        "undo": "Steps that put things back, on request or when a replay diverges.",
        "scenarios": "How it is proven, again and again.",
        "supersedes": "Experiences (organization/name) that this one replaces.",
        "conflicts": "Experiences (organization/name) that must not be replayed beside it.",
        "provenance": "How it came to be: who or what recorded it, from what it is derived.",
    },
    "Permissions": {
        "commands": "Programs that may be started, by name, absolute path or path in the package.",
        "write": "Patterns of paths that may be written; work/** unless said otherwise.",
        "network": "host:port pairs that may be reached; none unless said otherwise.",
        "tools": "Tools of MCP servers that may be called.",
    },
    "Retry": {"attempts": "How often at most.", "delay_seconds": "Pause between two attempts."},
    "HttpAction": {
        "method": "The request's method.",
        "url": "The address; values may be filled in.",
        "headers": "Header to value; values may be filled in.",
        "body": "The request's body; values may be filled in.",
        "timeout_seconds": "How long to wait for the answer.",
        "verify_tls": "Whether the server's certificate must be valid.",
    },
    "Replacement": {
        "find": "The exact text to replace.",
        "replace": "The text to put there.",
        "count": "How often the text must stand there.",
    },
    "FileAction": {
        "write": "The file to write, from content or source.",
        "template": "The file to write from the template in source, with {{ name }} replaced by values.",
        "patch": "The file in which replacements are made.",
        "remove": "The file to remove; absent is fine.",
        "content": "The text to write; values may be filled in.",
        "source": "A file of the package.",
        "values": "What the template's names stand for.",
        "replacements": "Texts and what takes their place.",
        "mode": "Permission bits, four octal digits.",
    },
    "Step": {
        "id": "The name by which checks and later steps speak of it.",
        "title": "What it does, for people.",
        "run": "A command as a list of words; no shell sees them. Values may be filled in with ${{ … }}.",
        "shell": "A script for sh. Values reach it only as environment variables.",
        "http": "A request.",
        "file": "Write, fill in, patch or remove one file.",
        "ask": "A question that a person or a policy answers with yes or no.",
        "env": "Environment variables of run and shell.",
        "stdin": "What run and shell read from their standard input.",
        "timeout_seconds": "After this it is stopped and counts as failed.",
        "when": "CEL: the step is skipped unless this holds.",
        "requires": "CEL checks that must hold before it.",
        "expect": "CEL checks that must hold after it.",
        "outputs": "Name to a CEL expression, for later steps.",
        "retry": "Try again while it fails or a check does not hold.",
    },
    "Service": {
        "run": "The process to start, as a list of words.",
        "env": "Its environment variables.",
        "ready": "CEL: it is ready when this holds.",
        "timeout_seconds": "How long it may take to be ready.",
    },
    "Scenario": {
        "name": "What this scenario shows.",
        "environments": "Where it is proven.",
        "files": "File below work/ to the file of the package that is put there.",
        "services": "Processes that run while the steps do.",
        "parameters": "The values that are given.",
        "secrets": "Stand-ins for secrets. Never put real ones here.",
        "facts": "Facts that are assumed instead of those found.",
        "answers": "Step to the answer that is given.",
        "expect": "CEL checks on the end result.",
        "outcome": "What the right replay does here.",
        "at": "The step where it must diverge.",
    },
}
_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_SCALARS: dict[str, Any] = {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": 50}
_CONDITION: dict[str, Any] = {
    "anyOf": [
        {**_SCALAR, "description": "Equal to this; or a range of versions or numbers such as '>=1.1.1,<4'."},
        {**_SCALARS, "description": "Any of these."},
        {
            "type": "object",
            "properties": {"not": {**_SCALARS, "description": "None of these."}},
            "required": ["not"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"exists": {"type": "boolean", "description": "Whether it is there at all."}},
            "required": ["exists"],
            "additionalProperties": False,
        },
    ]
}


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of format 1, self-contained."""
    schema = Manifest.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    for name, shape in (("Manifest", schema), *definitions.items()):
        for key, description in DESCRIPTIONS[name].items():
            shape["properties"][key]["description"] = description
    definitions["Step"]["oneOf"] = [_only(name, ACTIONS) for name in ACTIONS]
    kinds = ("write", "template", "patch", "remove")
    definitions["FileAction"]["oneOf"] = [_only(name, kinds) for name in kinds]
    schema["properties"]["conditions"]["additionalProperties"] = _CONDITION
    schema["properties"]["parameters"]["patternProperties"] = {
        IDENTIFIER_PATTERN: {"$ref": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    }
    _close(schema)
    about = {"title": "Keiken experience, format 1", "description": "experience.yaml: level 1 of an experience."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": ID, **schema, **about}


def _only(name: str, among: tuple[str, ...]) -> dict[str, Any]:
    """This key, and none of the others; null counts as absent."""
    others = {other: {"type": "null"} for other in among if other != name}
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}, **others}}


def _close(shape: Any) -> None:
    """Where keys must have a form, others are refused; pydantic leaves that out."""
    if isinstance(shape, dict):
        if "patternProperties" in shape:
            shape["additionalProperties"] = False
        for part in shape.values():
            _close(part)
    elif isinstance(shape, list):
        for part in shape:
            _close(part)
