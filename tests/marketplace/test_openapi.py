"""The description of the API is valid, complete and made without a warning."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

# The document itself, and what only the payment provider calls.
UNDESCRIBED = {"/api/v1/openapi.json", "/api/v1/webhooks/stripe"}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += routes(pattern.url_patterns, path)
        elif "(" not in path:
            found.append(path)
    return found


def normal(path: str) -> str:
    """``<slug:name>`` and ``{name}`` are one notation here."""
    import re

    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    GENERATOR_STATS.reset()
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return json.loads(json.dumps(schema))


def test_it_is_valid_and_no_warning_was_emitted(document: dict[str, object]) -> None:
    assert document["openapi"] == "3.1.0"
    validate_schema(document)
    assert dict(GENERATOR_STATS._warn_cache) == {}
    assert dict(GENERATOR_STATS._error_cache) == {}


def test_every_address_of_the_api_is_in_it(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    real = {normal(path) for path in routes(get_resolver().url_patterns) if path.startswith("/api/v1/")}
    assert real - set(paths) == UNDESCRIBED
    assert set(paths) - real == set()


def test_every_operation_has_a_name_answers_and_problems(document: dict[str, object]) -> None:
    paths = document["paths"]
    assert isinstance(paths, dict)
    names: list[str] = []
    for path, operations in paths.items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            successes = [code for code in operation["responses"] if code.startswith("2")]
            assert successes, (method, path)
    assert len(names) == len(set(names))


def test_it_is_served_to_everybody(db: None) -> None:
    response = Client().get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.json()["openapi"] == "3.1.0"
    assert "/api/v1/search" in response.json()["paths"]


def test_the_index_leads_to_it(db: None) -> None:
    found = Client().get("/api/v1/").json()
    assert found["openapi_url"].endswith("/api/v1/openapi.json")
