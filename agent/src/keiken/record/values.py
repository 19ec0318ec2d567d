"""Values that recur in a session, and texts, paths and checks with parameters and secrets in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_NUMBERED = r"\d{4}[.-]\d{2}(?:[.-]\d{2})?|v?\d+\.\d+\.\d+"
_HOST = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:example|com|net|org|local|test)"
VALUE = re.compile(rf"(?<![\w.])(?:{_NUMBERED})(?!\w|\.\d)|(?<![\w.@-])(?:{_HOST})(?![\w-]|\.\w)")
NEVER = re.compile(r"(?!)")


def recurring(texts: Iterable[str]) -> dict[str, str]:
    """Value to parameter name, for versions, dates and host names that stand in at least two places."""
    counts: dict[str, int] = {}
    for text in texts:
        for match in VALUE.finditer(text):
            # v1.2.3 and 1.2.3 are one release.
            value = re.sub(r"^v(?=\d)", "", match.group())
            counts[value] = counts.get(value, 0) + 1
    names: dict[str, str] = {}
    for value, count in counts.items():
        if count > 1:
            kind = "release" if value[0].isdigit() else "host"
            names[value] = kind if kind not in names.values() else f"{kind}_{len(names) + 1}"
    return names


class Places:
    """Finds the parameters' values and the secrets in texts, a secret before a value that stands inside it."""

    def __init__(self, values: Mapping[str, str], secrets: Mapping[str, str], taken: str) -> None:
        """``secrets``: every form of each to its name. ``taken``: a text whose words no variable may be named like."""
        self.values, self.secrets = dict(values), dict(secrets)
        self._variables: dict[str, str] = {}
        words = set(re.findall(r"\w+", taken))
        for name in [*values.values(), *(f"secret_{name}" for name in secrets.values()), "dollar"]:
            variable = name.upper()
            while variable in words:
                variable = f"KEIKEN_{variable}"
            self._variables[name] = variable
        # What looks like a template of ours must not be read as one.
        literal = r"\$(?=\{\{)"
        self.pattern = self._pattern([*map(re.escape, by_length(secrets)), *map(_bounded, by_length(values)), literal])
        self._value_pattern = self._pattern(list(map(_bounded, by_length(values))))

    @staticmethod
    def _pattern(parts: Sequence[str]) -> re.Pattern[str]:
        return re.compile("|".join(parts)) if parts else NEVER

    def variable(self, found: str) -> str:
        """The environment variable that carries it."""
        if found == "$":
            return self._variables["dollar"]
        name = self.secrets.get(found)
        return self._variables[f"secret_{name}" if name else self.values[found]]

    def template(self, found: str) -> str:
        if found == "$":
            return "$"
        name = self.secrets.get(found)
        return f"${{{{ secrets.{name} }}}}" if name else f"${{{{ parameters.{self.values[found]} }}}}"

    def filled(self, text: str) -> str:
        """An argument or path with templates."""
        return self.pattern.sub(lambda match: self.template(match.group()), text)

    def expression(self, path: str) -> str:
        """A path as CEL text, with the parameters in the place of their values."""
        parts, last = [], 0
        for match in self._value_pattern.finditer(path):
            parts += [_quoted(path[last : match.start()]), f"parameters.{self.values[match.group()]}"]
            last = match.end()
        parts.append(_quoted(path[last:]))
        return " + ".join(part for part in parts if part != "''")


def by_length(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=len, reverse=True)


def _bounded(value: str) -> str:
    """A value, not as a part of a longer number or name: ``v2.3.4`` holds 2.3.4, ``12.3.4`` and ``2.3.40`` do not."""
    if value[0].isdigit():
        return rf"(?<!\d)(?<!\d\.){re.escape(value)}(?!\d|\.\d)"
    return rf"(?<![A-Za-z0-9-]){re.escape(value)}(?![\w-]|\.\w)"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
