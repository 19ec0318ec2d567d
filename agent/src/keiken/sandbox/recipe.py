"""Recipes of environments: ``recipes/*.yaml``, written by us and shipped with the library."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an environment is made of. ``packages`` come on top of Debian's minimal base of ``suite``."""

    name: str
    description: str
    suite: str
    packages: tuple[str, ...]
    locales: tuple[str, ...]
    probes: tuple[str, ...]

    def digest(self) -> str:
        """``sha256:…`` over what decides the files; the description does not."""
        deciding = [self.name, self.suite, sorted(self.packages), sorted(self.locales)]
        return "sha256:" + hashlib.sha256(json.dumps(deciding).encode()).hexdigest()


@cache
def recipes() -> dict[str, Recipe]:
    """All recipes by name."""
    found = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe = Recipe(
            name=content["name"],
            description=content["description"],
            suite=content["suite"],
            packages=tuple(content["packages"]),
            locales=tuple(content["locales"]),
            probes=tuple(content["probes"]),
        )
        found[recipe.name] = recipe
    return found
