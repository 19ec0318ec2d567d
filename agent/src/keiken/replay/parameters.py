"""Parameters and secrets: defaults filled in, everything held against its schema before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

from keiken.errors import Refused
from keiken.i18n import _
from keiken.package.manifest import Manifest

SECRET_LENGTH = 4


def complete(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters. Raises Refused ``parameter_unknown``, ``parameter_missing`` or ``parameter_invalid``."""
    for name in given:
        if name not in manifest.parameters:
            raise Refused(
                "parameter_unknown",
                _("There is no parameter '{name}'.").format(name=name),
                _("It takes: {names}.").format(names=", ".join(manifest.parameters) or _("none")),
            )
    values = {}
    for name, schema in manifest.parameters.items():
        if name not in given and "default" not in schema:
            raise Refused(
                "parameter_missing",
                _("The parameter '{name}' is missing.").format(name=name),
                _("Give it with -p {name}=…").format(name=name),
            )
        values[name] = given.get(name, schema.get("default"))
        _validate(name, schema, values[name])
    return values


def _validate(name: str, schema: Mapping[str, Any], value: Any) -> None:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema, format_checker=checker).iter_errors(value)
    )
    problem = error.message if error else _("it holds a NUL byte") if isinstance(value, str) and "\0" in value else ""
    if problem:
        raise Refused(
            "parameter_invalid",
            _("The parameter '{name}' is not as it must be: {why}.").format(name=name, why=problem),
            _("Look at its schema with 'keiken show'."),
            {"parameter": name},
        )


def check_secrets(manifest: Manifest, given: Mapping[str, str]) -> dict[str, str]:
    """Every declared secret. Raises Refused ``secret_missing`` or ``secret_too_short``; never repeats a value."""
    for name in manifest.secrets:
        if name not in given:
            raise Refused(
                "secret_missing",
                _("The secret '{name}' is missing.").format(name=name),
                _("Set KEIKEN_SECRET_{name} or type it when asked.").format(name=name.upper()),
            )
        if len(given[name]) < SECRET_LENGTH:
            # Masking a shorter one would blacken every report without hiding anything.
            raise Refused("secret_too_short", _("The secret '{name}' has fewer than 4 characters.").format(name=name))
    return {name: given[name] for name in manifest.secrets}
