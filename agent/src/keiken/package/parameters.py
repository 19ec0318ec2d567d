"""The schemas of parameters: JSON Schema 2020-12 without what could reach out or run for ever.

References are refused because resolving one may open a connection. ``pattern`` is matched by the Rust regular
expressions inside pydantic, which take linear time; so no look-around and no back-references. Both sides use this:
the check of a package and the replay that is given values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, ValidationError, core_schema

from keiken.i18n import _

SCHEMA_NODES_LIMIT = 500
VALUE_NODES_LIMIT = 1_000
VALUE_CHARACTERS_LIMIT = 20_000
_REFUSED = {
    "$ref", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor", "$schema", "$vocabulary", "$defs", "definitions",
    "patternProperties",
}  # fmt: skip
_DATA = {"default", "examples", "const", "enum"}
FORMATS = {
    "date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid", "json-pointer",
}  # fmt: skip


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))


def _jsonschema() -> ModuleType:
    """Loaded when first needed: with all the formats it knows it is a tenth of a command's start."""
    import jsonschema

    return jsonschema


def _match(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Exception]:
    if isinstance(instance, str):
        try:
            _pattern(pattern).validate_python(instance)
        except ValidationError:
            text = _("{value!r} does not match {pattern!r}")
            yield _jsonschema().ValidationError(text.format(value=instance, pattern=pattern))


@cache
def _validator() -> Any:
    library = _jsonschema()
    return library.validators.extend(library.Draft202012Validator, {"pattern": _match})


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """What is wrong with the schema of one parameter, with its examples or with its default; None if nothing."""
    if _size(schema) > SCHEMA_NODES_LIMIT:
        return _("the schema has more than {n} parts").format(n=SCHEMA_NODES_LIMIT)
    for keyword, value in _keywords(schema):
        if problem := _keyword_problem(keyword, value):
            return problem
    library = _jsonschema()
    try:
        library.Draft202012Validator.check_schema(schema)
    except library.SchemaError as error:
        return _("it is no JSON Schema: {why}").format(why=error.message[:300])
    for kind, values in (("examples", schema.get("examples", [])), ("default", [schema.get("default")])):
        for value in values if kind in schema else ():
            if problem := value_problem(schema, value):
                return _("its {kind} do not fit: {why}").format(kind=kind, why=problem)
    return None


def value_problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """Why the value does not fit its parameter's schema; None if it does."""
    if _size(value) > VALUE_NODES_LIMIT or _characters(value) > VALUE_CHARACTERS_LIMIT:
        return _("the value is too large")
    if _characters(value, "\0"):
        return _("the value holds a NUL character")
    library = _jsonschema()
    checker = library.Draft202012Validator.FORMAT_CHECKER
    error = library.exceptions.best_match(_validator()(schema, format_checker=checker).iter_errors(value))
    return error.message[:300] if error else None


def _keyword_problem(keyword: str, value: Any) -> str | None:
    if keyword in _REFUSED:
        return _("'{keyword}' is not allowed in a parameter").format(keyword=keyword)
    if keyword == "format" and value not in FORMATS:
        names = ", ".join(sorted(FORMATS))
        return _("the format '{name}' is not known; known are {names}").format(name=str(value)[:40], names=names)
    if keyword == "pattern" and isinstance(value, str):
        try:
            _pattern(value)
        except PatternError as error:
            why = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
            return _("the pattern cannot be used: {why}").format(why=why[:200])
    return None


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every key of every mapping in the schema that is not plain data. A property of such a name is refused too."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            yield key, value
            if key not in _DATA:
                yield from _keywords(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _keywords(item)


def _parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)


def _size(value: Any) -> int:
    return sum(1 for _part in _parts(value))


def _characters(value: Any, which: str = "") -> int:
    return sum(part.count(which) if which else len(part) for part in _parts(value) if isinstance(part, str))
