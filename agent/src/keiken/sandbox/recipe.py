"""Recipes of environments: the ``recipes/*.yaml`` shipped with the library, and an operator's own in a folder that
``KEIKEN_RECIPES_DIR`` names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, NoReturn

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keiken.errors import UsageError
from keiken.i18n import _

VARIABLE = "KEIKEN_RECIPES_DIR"
_SHIPPED = Path(__file__).parent / "recipes"
_LARGEST = 64 << 10

_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
_Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]{1,80}$")]  # Debian Policy, 5.6.7
_Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}_[A-Z]{2}\.[A-Za-z0-9-]{2,20}$")]
_Tool = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
_Path = Annotated[str, Field(pattern=r"^/(etc|opt|srv|usr)(/[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*){1,12}$")]


class _Written(BaseModel):
    """A recipe as it is written. What a field may hold is narrow: its words become words of a command line."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: _Name
    description: Annotated[str, Field(min_length=1, max_length=200)]
    base: _Name | None = None
    suite: _Name = "bookworm"
    on_request: bool = False
    packages: Annotated[list[_Package], Field(max_length=500)] = []
    locales: Annotated[list[_Locale], Field(max_length=50)] = []
    files: Annotated[dict[_Path, str], Field(max_length=100)] = {}
    probes: Annotated[list[_Tool], Field(max_length=100)] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an environment is made of. ``packages`` come on top of Debian's minimal base of ``suite``.

    What the recipe named as ``base`` asks for is already part of it.
    """

    name: str
    description: str
    suite: str
    packages: tuple[str, ...]
    locales: tuple[str, ...]
    probes: tuple[str, ...]
    files: tuple[tuple[str, str], ...] = ()
    """(absolute path, text) of files that are written last."""
    base: str = ""
    on_request: bool = False
    """Built only where it is named: too large to be made in passing."""

    def digest(self) -> str:
        """``sha256:…`` over what decides the files; the description does not."""
        deciding: list[object] = [self.name, self.suite, sorted(self.packages), sorted(self.locales)]
        if self.files:
            deciding.append(sorted(self.files))
        return "sha256:" + hashlib.sha256(json.dumps(deciding).encode()).hexdigest()


def recipes() -> dict[str, Recipe]:
    """All recipes by name. Raises UsageError that names the file, the line and the field of one that is no recipe."""
    return _read(os.environ.get(VARIABLE, ""))


@cache
def _read(own: str) -> dict[str, Recipe]:
    paths = sorted(_SHIPPED.glob("*.yaml"))
    if own:
        if not Path(own).is_dir():
            raise UsageError(
                "recipes_folder_missing",
                _("{variable} names '{folder}', which is no folder.").format(variable=VARIABLE, folder=own),
                _("Make the folder, or unset the variable."),
            )
        paths += sorted(Path(own).glob("*.yaml"))
    written: dict[str, tuple[_Written, Path]] = {}
    for path in paths:
        recipe = _written(path)
        if recipe.name in written or recipe.name in ("local", "host"):
            _bad(path, _line(path, "name"), "name", _("the name '{name}' is taken").format(name=recipe.name))
        written[recipe.name] = (recipe, path)
    return {name: _resolved(name, written, ()) for name in sorted(written)}


def _written(path: Path) -> _Written:
    try:
        if path.stat().st_size > _LARGEST:
            _bad(path, 1, "", _("it is larger than {size} bytes").format(size=_LARGEST))
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as trouble:
        mark = getattr(trouble, "problem_mark", None)
        _bad(path, mark.line + 1 if mark else 1, "", _("it is no YAML: {words}").format(
            words=str(getattr(trouble, "problem", None) or trouble)))  # fmt: skip
    except UnicodeDecodeError:
        _bad(path, 1, "", _("it is not UTF-8"))
    except OSError as trouble:
        _bad(path, 1, "", str(trouble.strerror))
    if not isinstance(content, Mapping):
        _bad(path, 1, "", _("it must be a mapping with name, description and packages"))
    try:
        return _Written.model_validate(content)
    except ValidationError as trouble:
        first = trouble.errors()[0]
        where = [str(part) for part in first["loc"] if part != "[key]"]
        _bad(path, _line(path, where[0]), ".".join(where), first["msg"])


def _resolved(name: str, written: Mapping[str, tuple[_Written, Path]], above: tuple[str, ...]) -> Recipe:
    own, path = written[name]
    packages, locales, probes, files = own.packages, own.locales, own.probes, dict(own.files)
    if own.base is not None:
        if own.base not in written:
            words = _("there is no recipe '{name}'").format(name=own.base)
            _bad(path, _line(path, "base"), "base", words)
        if own.base in (*above, name):
            words = _("'{name}' is based on itself").format(name=own.base)
            _bad(path, _line(path, "base"), "base", words)
        base = _resolved(own.base, written, (*above, name))
        if base.suite != own.suite:
            words = _("its base is of '{suite}'").format(suite=base.suite)
            _bad(path, _line(path, "base"), "suite", words)
        packages, locales = [*base.packages, *packages], [*base.locales, *locales]
        probes, files = [*base.probes, *probes], {**dict(base.files), **files}
    return Recipe(
        name=own.name,
        description=own.description,
        suite=own.suite,
        packages=tuple(sorted(set(packages))),
        locales=tuple(sorted(set(locales))),
        probes=tuple(sorted(set(probes))),
        files=tuple(sorted(files.items())),
        base=own.base or "",
        on_request=own.on_request,
    )


def _line(path: Path, field: str) -> int:
    """The line, from 1, on which a top field stands; 1 where it is missing."""
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.match(rf"['\"]?{re.escape(field)}['\"]?\s*:", text):
            return number
    return 1


def _bad(path: Path, line: int, field: str, words: str) -> NoReturn:
    place = f"{path}:{line}" + (f" ({field})" if field else "")
    raise UsageError(
        "bad_recipe",
        _("{place}: this is no recipe of an environment: {words}.").format(place=place, words=words.rstrip(".")),
        _("Correct the file or take it out of the folder; docs/sandbox.md shows what a recipe holds."),
        {"file": str(path), "line": line, "field": field},
    )
