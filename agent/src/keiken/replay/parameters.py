"""Parameters and secrets: defaults filled in, everything held against its schema before anything is touched."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from keiken.errors import Refused
from keiken.i18n import _
from keiken.package.manifest import Manifest
from keiken.package.parameters import value_problem
from keiken.replay.masking import SHORTEST

SIZE_LIMIT_CHARACTERS = 100_000
_LARGEST = 2**63
_MISSING = object()


def complete(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters. Raises Refused ``parameter_unknown``, ``parameter_missing`` or ``parameter_invalid``.

    Every parameter at fault is named; ``details.parameters`` lists them.
    """
    _refuse_if(
        "parameter_unknown",
        {name: _("there is no such parameter") for name in given if name not in manifest.parameters},
        _("It takes: {names}.").format(names=", ".join(manifest.parameters) or _("none")),
    )
    values = {name: given.get(name, schema.get("default", _MISSING)) for name, schema in manifest.parameters.items()}
    missing = {name: _("it is missing") for name, value in values.items() if value is _MISSING}
    _refuse_if(
        "parameter_missing",
        missing,
        _("Give it with {options}.").format(options=" ".join(f"-p {n}=…" for n in missing)),
    )
    problems = {name: problem_with(manifest.parameters[name], value) for name, value in values.items()}
    _refuse_if(
        "parameter_invalid",
        {name: problem for name, problem in problems.items() if problem},
        _("Look at what it takes with 'keiken show'."),
    )
    return values


def _refuse_if(code: str, problems: Mapping[str, str], advice: str) -> None:
    if problems:
        named = "; ".join(_("'{name}': {why}").format(name=name, why=why) for name, why in problems.items())
        message = _("Parameter {problems}.").format(problems=named)
        raise Refused(code, message, advice, {"parameters": sorted(problems)})


def problem_with(schema: Mapping[str, Any], value: Any) -> str:
    """Why a value does not do, in words; empty when it does."""
    if problem := next(_unusable(value), ""):
        return problem
    # The package's own validator matches patterns in linear time: a publisher's pattern cannot hang a worker.
    return value_problem(schema, value) or ""


def _unusable(value: Any) -> Iterator[str]:
    """What no schema should allow: it could not be stored, encoded or computed with exactly."""
    try:
        written = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        yield _("it is no JSON value")
        return
    if len(written) > SIZE_LIMIT_CHARACTERS:
        yield _("it has more than 100,000 characters")
    if "\\u0000" in written:
        yield _("it holds a NUL character")
    if re.search("[\ud800-\udfff]", written):
        yield _("it holds half a character (a lone surrogate)")
    for number in _numbers(value):
        if not math.isfinite(number) or not -_LARGEST <= number < _LARGEST:
            yield _("a number is too large")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float):
        yield value


def check_secrets(manifest: Manifest, given: Mapping[str, str]) -> dict[str, str]:
    """Every declared secret. Never repeats a value.

    Raises Refused ``secret_unknown``, ``secret_missing``, ``secret_too_short`` or ``secret_invalid``.
    """
    for name in sorted(given):
        if name not in manifest.secrets:
            message = _("There is no secret '{name}'.").format(name=name)
            names = ", ".join(manifest.secrets) or _("none")
            raise Refused("secret_unknown", message, _("It takes: {names}.").format(names=names))
    for name in manifest.secrets:
        if name not in given:
            raise Refused(
                "secret_missing",
                _("The secret '{name}' is missing.").format(name=name),
                _("Set KEIKEN_SECRET_{name} or type it when asked.").format(name=name.upper()),
            )
        _check_secret(name, given[name])
    return {name: given[name] for name in manifest.secrets}


def _check_secret(name: str, value: str) -> None:
    if len("".join(value.split())) < SHORTEST:
        # Masking a shorter one would blacken every report without hiding anything.
        raise Refused(
            "secret_too_short",
            _("The secret '{name}' has fewer than 4 characters.").format(name=name),
            _("So short a text cannot be masked; give a longer one."),
        )
    if "\0" in value or re.search("[\ud800-\udfff]", value):
        raise Refused(
            "secret_invalid",
            _("The secret '{name}' holds a character that no command can take.").format(name=name),
            _("Give it as UTF-8 text without NUL."),
        )
