"""What pydantic finds wrong with ``experience.yaml``, as plain sentences."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from keiken.i18n import _
from keiken.package import manifest
from keiken.package.yaml import Path


def path_of(error: Mapping[str, Any]) -> Path:
    """Where in the document it is. pydantic adds marks of its own, such as ``[key]``."""
    return tuple(part for part in error["loc"] if not (isinstance(part, str) and part.startswith("[")))


def sentence(error: Mapping[str, Any]) -> str:
    """One error of ``ValidationError.errors()`` without the place, for example ``'title' is missing``."""
    path = path_of(error)
    name = ".".join(str(part) for part in path)[:200] or _("the file")
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        return _unknown_key(name, path)
    if kind == "string_pattern_mismatch":
        return _("{name} must be {what}").format(name=name, what=_form(context["pattern"]))
    if kind in _texts():
        return _texts()[kind].format(name=name, **context)
    return f"{name}: {error['msg']}"


def _texts() -> Mapping[str, str]:
    text, number = _("{name} must be text; put it in quotes"), _("{name} must be a number")
    whole, mapping = _("{name} must be a whole number"), _("{name} must be a mapping")
    return {
        "missing": _("{name} is missing"),
        "string_type": text,
        "string_too_short": _("{name} must have at least {min_length} characters"),
        "string_too_long": _("{name} may have at most {max_length} characters"),
        "too_short": _("{name} must have at least {min_length} entries"),
        "too_long": _("{name} may have at most {max_length} entries"),
        "literal_error": _("{name} must be {expected}"),
        "int_type": whole,
        "int_parsing": whole,
        "int_from_float": whole,
        "float_type": number,
        "float_parsing": number,
        "finite_number": number,
        "bool_type": _("{name} must be true or false"),
        "bool_parsing": _("{name} must be true or false"),
        "dict_type": mapping,
        "model_type": mapping,
        "list_type": _("{name} must be a list"),
        "greater_than": _("{name} must be greater than {gt}"),
        "greater_than_equal": _("{name} must be at least {ge}"),
        "less_than": _("{name} must be less than {lt}"),
        "less_than_equal": _("{name} must be at most {le}"),
    }


def _form(pattern: str) -> str:
    forms = {
        manifest.NAME_PATTERN: _("lower-case letters and digits, with single '-' between"),
        manifest.IDENTIFIER_PATTERN: _("lower-case letters, digits and '_', beginning with a letter"),
        manifest.SEMVER_PATTERN: _("a version such as 1.4.0 (semver.org)"),
        manifest.REFERENCE_PATTERN: _("a reference such as organization/name"),
        r"^[A-Z_][A-Z0-9_]*$": _("capital letters, digits and '_'"),
        r"^0[0-7]{3}$": _("four octal digits such as 0644"),
    }
    return forms.get(pattern, _("of the form {pattern}").format(pattern=pattern))


def _unknown_key(name: str, path: Path) -> str:
    known = _fields_at(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = _("is '{name}' meant?").format(name=close[0]) if close else _("known are {names}")
    return _("{name} is not known here; ").format(name=name) + hint.format(names=", ".join(known))


def _fields_at(path: Path) -> list[str]:
    """The keys that the model has at this place."""
    model: type[BaseModel] = manifest.Manifest
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
