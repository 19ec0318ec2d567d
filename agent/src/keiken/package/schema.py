"""The JSON Schema of ``experience.yaml`` that the project publishes; it is the authority on the format."""

from __future__ import annotations

from typing import Any

from keiken.package.manifest import Manifest


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of format 1."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://keiken.example/schemas/experience-1.json",
        **Manifest.model_json_schema(),
        "title": "Keiken experience, format 1",
    }
