"""From recorded lines to a draft: steps, checks, conditions, parameters, scenarios, undo. A person looks at it next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keiken.conditions.versions import normal_version
from keiken.i18n import _
from keiken.record.redact import Redactor
from keiken.record.session import Line

NOISE = {
    "ls",
    "ll",
    "pwd",
    "clear",
    "history",
    "exit",
    "logout",
    "echo",
    "cat",
    "less",
    "man",
    "which",
    "whoami",
    "date",
    "true",
}
EDITORS = {"vi", "vim", "nano", "emacs", "code", "ed", "pico"}
SHELL_ONLY = re.compile(r"[|&;<>()$`*?\[\]{}~#!\\\n]|^\s*[A-Za-z_]\w*=")
BUILTINS = {
    "cd",
    "export",
    "set",
    "umask",
    "test",
    "[",
    "printf",
    "read",
    "source",
    ".",
    "unset",
    "exit",
    "return",
    "echo",
    "true",
}
COREUTILS = set(
    """basename cat chmod chown cksum cp cut date dd df dirname du env expand expr fold head id install join ln ls
    md5sum mkdir mkfifo mktemp mv nl nproc od paste pr printf readlink realpath rm rmdir seq sha1sum sha256sum sha512sum
    shuf sleep sort split stat sum tac tail tee timeout touch tr truncate tsort uname uniq wc yes""".split()
)
"""Every system has them and their versions say little; a condition on each would only be noise."""
VALUE = re.compile(
    r"(?<![\w.-])(?:\d{4}[.-]\d{2}(?:[.-]\d{2})?|v?\d+\.\d+\.\d+|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:example|com|net|org|local|test))(?![\w])|(?<=-)\d{4}\.\d{2}(?=\.)"
)


@dataclass
class Proposal:
    """The parts of a manifest, and what a person should decide."""

    parts: dict[str, Any]
    questions: list[str] = field(default_factory=list)


def propose(lines: Sequence[Line], facts: Mapping[str, Any], redactor: Redactor) -> Proposal:
    """A draft of the manifest without name and title. The secrets of the lines must be known to the redactor."""
    questions: list[str] = []
    kept = [line for line in lines if _is_kept(line, questions)]
    values = _recurring_values(kept)
    steps = [_Step(line, values, redactor, number).build() for number, line in enumerate(kept, 1)]
    commands = sorted({command for line in kept for command in _commands(line.text)} - BUILTINS)
    conditions = _conditions(commands, facts)
    parts: dict[str, Any] = {
        "conditions": conditions,
        "parameters": {
            name: {
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$",
                "default": value,
                "description": "A value that stood in several places of the recording",
            }
            for value, name in values.items()
        },
        "secrets": [name for name in redactor.names if any(f"secrets.{name} " in str(step) for step in steps)],
        "permissions": {"commands": commands, "write": ["work/**"]},
        "steps": steps,
        "undo": _undo(kept, values),
        "scenarios": _scenarios(conditions, redactor.names, steps),
    }
    if values:
        questions.append(_("Are the parameters {names} well named?").format(names=", ".join(values.values())))
    questions.append(_("Do the checks look at what matters, or only at what was easy to see?"))
    return Proposal({name: part for name, part in parts.items() if part}, questions)


def _is_kept(line: Line, questions: list[str]) -> bool:
    first = _first_word(line.text)
    touched = bool(line.made or line.changed or line.removed)
    if first in EDITORS:
        questions.append(_("'{line}' opened an editor; replace it by a file step.").format(line=line.text[:80]))
        return False
    if line.exit_code != 0:
        questions.append(_("'{line}' failed and was left out.").format(line=line.text[:80]))
        return False
    return touched or first not in NOISE | {"cd"}


def _first_word(text: str) -> str:
    words = text.split()
    return words[0] if words else ""


def _commands(text: str) -> set[str]:
    """The first words of the simple commands of a line."""
    found = set()
    for part in re.split(r"\n|;|&&|\|\|?|\$\(", text):
        words = [word for word in part.split() if not re.match(r"^[A-Za-z_]\w*=", word)]
        if words and re.fullmatch(r"[A-Za-z0-9._+-]+", words[0]):
            found.add(words[0])
    return found


def _recurring_values(lines: Sequence[Line]) -> dict[str, str]:
    """Value to parameter name, for versions, dates and host names that stand in at least two places."""
    text = "\n".join(line.text for line in lines)
    counts: dict[str, int] = {}
    for match in VALUE.finditer(text):
        counts[match.group()] = counts.get(match.group(), 0) + 1
    names: dict[str, str] = {}
    for value, count in counts.items():
        if count > 1:
            kind = "release" if re.match(r"^v?\d", value) else "host"
            names[value] = kind if kind not in names.values() else f"{kind}_{len(names) + 1}"
    return names


class _Step:
    def __init__(self, line: Line, values: Mapping[str, str], redactor: Redactor, number: int) -> None:
        self.line, self.values, self.redactor, self.number = line, values, redactor, number

    def build(self) -> dict[str, Any]:
        line = self.line
        step: dict[str, Any] = {"id": f"step_{self.number}", "title": self._title()}
        words = None if SHELL_ONLY.search(line.text) or line.cwd else shlex.split(line.text)
        if words and words[0] not in BUILTINS:
            step["run"] = [self._filled(word) for word in words]
        else:
            step |= self._shell()
        step["expect"] = ["result.exit_code == 0", *self._effects()]
        return step

    def _title(self) -> str:
        return self.redactor.redact(re.sub(r"\s+", " ", self.line.text))[:120]

    def _filled(self, word: str) -> str:
        for value, name in self.values.items():
            word = word.replace(value, f"${{{{ parameters.{name} }}}}")
        return self.redactor.replace(word, lambda name: f"${{{{ secrets.{name} }}}}")

    def _shell(self) -> dict[str, Any]:
        """Values reach a script only as variables; inside single quotes they could not, and stay as they were."""
        script, env = self.line.text, {}
        if "'" not in script:
            for value, name in self.values.items():
                if value in script:
                    script = script.replace(value, f"${{{name.upper()}}}")
                    env[name.upper()] = f"${{{{ parameters.{name} }}}}"

        def variable(name: str) -> str:
            env[f"SECRET_{name.upper()}"] = f"${{{{ secrets.{name} }}}}"
            return f"${{SECRET_{name.upper()}}}"

        script = self.redactor.replace(script, variable)
        if self.line.cwd:
            script = f"cd {shlex.quote(self.line.cwd)}\n{script}"
        return {"shell": script, **({"env": env} if env else {})}

    def _effects(self) -> list[str]:
        checks = []
        for path in [*self.line.made, *self.line.changed][:20]:
            name = expression_of(path, self.values)
            size = self.line.sizes.get(path, 0)
            checks.append(f"file({name}).size > 0" if size else f"file({name}).exists")
            if self.line.modes.get(path) == "0600":
                checks.append(f"file({name}).mode == '0600'")
        checks += [f"!file({expression_of(path, self.values)}).exists" for path in self.line.removed[:20]]
        return checks


def expression_of(path: str, values: Mapping[str, str]) -> str:
    """A path as CEL text, with the parameters in the place of their values."""
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    text = f"'{quoted}'"
    for value, name in values.items():
        text = text.replace(value, f"' + parameters.{name} + '")
    return text.removesuffix(" + ''").removeprefix("'' + ")


def _conditions(commands: Sequence[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    conditions: dict[str, Any] = {"os.family": facts.get("os.family", "linux")}
    for command in sorted(set(commands) - COREUTILS):
        found = facts.get(f"tool.{command}")
        version = normal_version(str(found)) if found and found != "0" else None
        if version is not None:
            conditions[f"tool.{command}"] = f">={version.major}.{version.minor},<{version.major + 1}"
    return conditions


def _undo(lines: Sequence[Line], values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Remove what the session made and left."""
    left: dict[str, None] = {}
    for line in lines:
        left |= dict.fromkeys(line.made)
        for path in line.removed:
            left.pop(path, None)
    steps = []
    for number, path in enumerate(list(left)[:20], 1):
        target = path
        for value, name in values.items():
            target = target.replace(value, f"${{{{ parameters.{name} }}}}")
        steps.append(
            {
                "id": f"undo_{number}",
                "title": f"Remove {path}",
                "file": {"remove": target},
                "expect": [f"!file({expression_of(path, values)}).exists"],
            }
        )
    return steps


def _scenarios(
    conditions: Mapping[str, Any], secrets: Sequence[str], steps: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    used = [name for name in secrets if f"secrets.{name} " in str(steps)]
    example = {"secrets": {name: f"example-{name}" for name in used}} if used else {}
    tool = next((key for key in conditions if key.startswith("tool.")), None)
    facts = {tool: "0.0.1"} if tool else {"os.family": "plan9"}
    return [
        {"name": "as it was recorded", "environments": ["debian-12"], **example},
        {
            "name": "refuses where it was never tried",
            "environments": ["debian-12"],
            "facts": facts,
            "outcome": "refused",
            **example,
        },
    ]
