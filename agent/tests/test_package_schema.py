"""The published JSON Schema says what the code says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import hostile
import jsonschema
import pytest
import yaml

from keiken.package import json_schema
from keiken.package.manifest import Manifest

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/experience.yaml"))


def test_it_is_a_schema_with_its_own_address() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "https://keiken.example/schemas/experience-1.json"
    assert SCHEMA["title"] == "Keiken experience, format 1"
    assert json_schema() == SCHEMA


def test_every_key_is_described() -> None:
    for name, shape in {"Manifest": SCHEMA, **SCHEMA["$defs"]}.items():
        for key, field in shape["properties"].items():
            assert len(field["description"]) > 8, f"{name}.{key}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_fit(path: Path) -> None:
    assert list(VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


def _document() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(hostile.MANIFEST))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("skript",), "x"),
        (("version",), "1.0"),
        (("steps",), []),
        (("steps", 0, "shell"), "true"),
        (("steps", 0), {"id": "nothing"}),
        (("steps", 0, "file", "remove"), "work/x"),
        (("steps", 0, "file"), {"content": "x"}),
        (("conditions", "os.id"), {"is": "debian"}),
        (("conditions", "os.id"), []),
        (("conditions", "os.id"), None),
        (("parameters", "Who"), {}),
        (("parameters", "who"), {"type": "strnig"}),
        (("scenarios", 0, "outcome"), "won"),
    ],
)
def test_what_the_code_refuses_the_schema_refuses(path: tuple[Any, ...], value: Any) -> None:
    document = _document()
    assert list(VALIDATOR.iter_errors(document)) == []
    target = document
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    assert list(VALIDATOR.iter_errors(document))


def test_the_model_knows_no_key_that_the_schema_does_not() -> None:
    assert set(SCHEMA["properties"]) == set(Manifest.model_fields)
