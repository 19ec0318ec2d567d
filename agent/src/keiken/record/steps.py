"""The steps of a draft: each line as an action of its own, with what it did to files as its checks."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from keiken.package.scripts import BUILTINS
from keiken.record import shelltext
from keiken.record.local import JOB
from keiken.record.redact import Redactor
from keiken.record.session import Line
from keiken.record.values import Places

SHELL_ONLY = re.compile(r"[|&;<>()$`*?\[\]{}~#!\\\n]|^\s*[A-Za-z_]\w*\+?=")
CHECKED_PATHS = 20
"""Of one line; more checks of one kind would only hide the others."""
SCRIPT_LIMIT = 20_000
"""Characters of a shell step, by the format."""
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\+?=")
_FUNCTION = re.compile(r"^\s*(?:function\s+)?([A-Za-z_][\w-]*)\s*\(\)")
_DECLARING = {"export", "readonly", "declare", "typeset", "local"}
_SETTING = {"set", "shopt", "umask", "ulimit", "source", ".", "unset", "trap", "alias", "unalias"}


def is_plain(path: str) -> bool:
    """Whether a path can stand in a check: text, and nothing in it that cannot be seen."""
    return all(unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" for c in path)


def set_by(text: str) -> set[str] | None:
    """The names that a line only sets for later ones, ``{""}`` for the shell as a whole; None for any other line."""
    if match := _FUNCTION.match(text):
        return {match.group(1)}
    if re.search(r"[;|&\n]|\$\(|`", text):
        return _assigned_from_command(text)
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if words and words[0] in _SETTING:
        return {""}
    if words and words[0] in _DECLARING:
        return {word.partition("=")[0] for word in words[1:] if not word.startswith("-")}
    names = [match.group(1) for word in words if (match := _ASSIGNED.match(word))]
    return set(names) if words and len(names) == len(words) else None


def _assigned_from_command(text: str) -> set[str] | None:
    """``name=$(command)`` and nothing after it."""
    match = re.fullmatch(r"(?:(?:export|readonly|declare)\s+)?([A-Za-z_]\w*)=(\"?)\$\([^()\n]*\)\2", text)
    return {match.group(1)} if match else None


def prelude(lines: Sequence[Line], index: int) -> list[str]:
    """The earlier lines that set what this one uses, in their order."""
    needed, found = lines[index].text, []
    for line in reversed(lines[:index]):
        names = set_by(line.text) if line.exit_code == 0 else None
        if names and any(not name or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", needed) for name in names):
            found.append(line.text)
            needed += f"\n{line.text}"
    return found[::-1]


class StepMaker:
    """Builds one step. ``before`` are the lines whose settings it needs."""

    def __init__(
        self, line: Line, before: Sequence[str], places: Places, redactor: Redactor, inherited: Mapping[str, str]
    ) -> None:
        """``inherited``: environment variables that were secret while it was recorded, to the secrets' names."""
        self.line, self.before, self.places, self.redactor = line, before, places, redactor
        self.inherited = inherited

    def build(self, number: int) -> dict[str, Any]:
        step: dict[str, Any] = {"id": f"step_{number}", "title": one_line(self.line.text, self.redactor)}
        step |= self._action()
        step["expect"] = ["result.exit_code == 0", *self._effects()]
        return step

    def _action(self) -> dict[str, Any]:
        text = self.line.text
        # A secret goes into a variable: command lines can be read by other processes.
        if not (SHELL_ONLY.search(text) or self.line.cwd or self.before or self.redactor.found_in(text)):
            words = shlex.split(text)
            if words[0] not in BUILTINS:
                return {"run": [self.places.filled(word) for word in words]}
        return self._shell()

    def _shell(self) -> dict[str, Any]:
        env: dict[str, str] = {}

        def variable(match: re.Match[str]) -> str:
            name = self.places.variable(match.group())
            env[name] = self.places.template(match.group())
            return name

        def comment(match: re.Match[str]) -> str:
            name = self.places.secrets.get(match.group())
            return f"[secret {name}]" if name else match.group()

        texts = [*self.before, self.line.text]
        for name, secret in self.inherited.items():
            if any(re.search(rf"\$\{{?{name}\b", text) for text in texts):
                env[name] = f"${{{{ secrets.{secret} }}}}"
        lines = [shelltext.fill(text, self.places.pattern, variable, comment) for text in texts]
        if self.line.cwd:
            lines.insert(0, f"cd {shelltext.fill(_quoted(self.line.cwd), self.places.pattern, variable)}")
        if any(f"${{{JOB}}}" in text for text in texts):
            lines.insert(0, f"{JOB}=$PWD")
        # What could not be put into a variable must still not be there.
        script = self.redactor.redact("\n".join(lines))
        action: dict[str, Any] = {"shell": script}
        if shelltext.needs_bash("\n".join(texts)) or len(script) > SCRIPT_LIMIT:
            action = {"run": ["bash", "-c", script]}
        return {**action, **({"env": env} if env else {})}

    def _effects(self) -> list[str]:
        line, checks = self.line, []
        for path in [*line.made, *line.changed][:CHECKED_PATHS]:
            if not self._can_be_checked(path):
                continue
            name = self.places.expression(path)
            checks.append(f"file({name}).size > 0" if line.sizes.get(path, 0) else f"file({name}).exists")
            if path in line.digests_before:
                checks.append(f"file({name}).sha256 != '{line.digests_before[path]}'")
            if path in line.modes_before or line.modes.get(path) == "0600":
                checks.append(f"file({name}).mode == '{line.modes[path]}'")
        folders = [path for path in line.folders[:CHECKED_PATHS] if self._can_be_checked(path)]
        checks += [f"file({self.places.expression(path)}).kind == 'folder'" for path in folders]
        removed = [path for path in line.removed[:CHECKED_PATHS] if self._can_be_checked(path)]
        return [*checks, *(f"!file({self.places.expression(path)}).exists" for path in removed)][:49]

    def _can_be_checked(self, path: str) -> bool:
        return is_plain(path) and not self.redactor.found_in(path)


def _quoted(folder: str) -> str:
    return f"~/{shlex.quote(folder[2:])}" if folder.startswith("~/") else shlex.quote(folder)


def one_line(text: str, redactor: Redactor, limit: int = 120) -> str:
    """What was typed, in one line: redacted before it is cut, so that no half of a secret is left."""
    shown = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in redactor.redact(text))
    return " ".join(shown.split())[:limit]


def undo(lines: Sequence[Line], places: Places, redactor: Redactor) -> list[dict[str, Any]]:
    """Remove what the session made and left."""
    left: dict[str, None] = {}
    for line in lines:
        left |= dict.fromkeys(line.made)
        for path in line.removed:
            left.pop(path, None)
    paths = [path for path in left if is_plain(path) and not redactor.found_in(path)]
    return [
        {
            "id": f"undo_{number}",
            "title": f"Remove {path}"[:200],
            "file": {"remove": places.filled(path)},
            "expect": [f"!file({places.expression(path)}).exists"],
        }
        for number, path in enumerate(paths[:CHECKED_PATHS], 1)
    ]
