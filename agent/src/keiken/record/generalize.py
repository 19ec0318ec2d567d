"""From recorded lines to a draft: steps, checks, conditions, parameters, scenarios, undo. A person looks at it next."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keiken.conditions.versions import normal_version
from keiken.i18n import _
from keiken.package import names, scripts
from keiken.record import reach
from keiken.record.redact import Redactor
from keiken.record.remarks import Shown, remarks
from keiken.record.session import Line, Recording
from keiken.record.steps import StepMaker, one_line, prelude, set_by, undo
from keiken.record.values import Places, recurring

NOISE = {
    "ls", "ll", "pwd", "clear", "history", "exit", "logout", "echo", "cat", "less", "more", "man", "which", "whoami",
    "date", "true", ":", "type", "help", "env", "printenv",
}  # fmt: skip
_STARTER = re.compile(r"(?:\b(?:xargs|timeout|nice|nohup|setsid|env|stdbuf)|[ \t]-exec(?:dir)?)\b([^|;&()\n]*)")
_COMMAND = re.compile(r"(?<!\S)[A-Za-z_][A-Za-z0-9._+-]*(?!\S)")
SHOWN = 80
EDITORS = {"vi", "vim", "nvim", "nano", "emacs", "code", "ed", "pico"}
TALKERS = set("bash dash fish ftp ghci irb mysql node psql python python3 R sh sqlite3 ssh su telnet tmux zsh".split())
"""Without an argument these ask what to do, and nobody hears the answer."""
COREUTILS = set(
    """basename cat chmod chown cksum cp cut date dd df dirname du env expand expr fold head id install join ln ls
    md5sum mkdir mkfifo mktemp mv nl nproc od paste pr printf readlink realpath rm rmdir seq sha1sum sha256sum sha512sum
    shuf sleep sort split stat sum tac tail tee timeout touch tr truncate tsort uname uniq wc yes""".split()
)
"""Every system has them and their versions say little; a condition on each would only be noise."""


@dataclass
class Proposal:
    """The parts of a manifest, and what a person should decide."""

    parts: dict[str, Any]
    questions: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """The redacted line of each step, in their order."""


def propose(
    recording: Recording,
    facts: Mapping[str, Any],
    redactor: Redactor,
    *,
    job: Path,
    inherited: Mapping[str, str],
) -> Proposal:
    """A draft of the manifest without name and title. The secrets of the lines must be known to the redactor.

    ``inherited`` are environment variables whose values are secrets of the redactor, to the secrets' names.
    """
    questions: list[str] = []
    lines = recording.lines

    def shown(line: Line) -> str:
        return one_line(line.text, redactor, SHOWN)

    kept = [line for line in lines if _is_kept(line, questions, shown)]
    values = {v: name for v, name in recurring(line.text for line in kept).items() if not redactor.found_in(v)}
    places = Places(values, redactor.forms(), "\n".join(line.text for line in lines))
    indexes = [number for number, one in enumerate(lines) if any(one is line for line in kept)]
    makers = [StepMaker(lines[n], prelude(lines, n), places, redactor, inherited) for n in indexes]
    steps = [maker.build(number) for number, maker in enumerate(makers, 1)]
    commands = _commands([text for maker in makers for text in (*maker.before, maker.line.text)], steps)
    conditions = _conditions(commands, facts)
    network = [host for host in reach.hosts(line.text for line in kept) if not redactor.found_in(host)]
    used = [name for name in redactor.names if f"secrets.{name} " in str(steps)]
    parts: dict[str, Any] = {
        "conditions": conditions,
        "parameters": {name: _parameter(value) for value, name in values.items()},
        "secrets": used,
        "permissions": {"commands": commands, "write": ["work/**"], **({"network": network} if network else {})},
        "steps": steps,
        "undo": undo(kept, places, redactor),
        "scenarios": _scenarios(conditions, used),
    }
    questions += remarks(recording, kept, job, inherited, shown)
    if network:
        questions.append(_("Must every replay reach {hosts}?").format(hosts=", ".join(network)))
    if values:
        questions.append(_("Are the parameters {names} well named?").format(names=", ".join(values.values())))
    questions.append(_("Do the checks look at what matters, or only at what was easy to see?"))
    return Proposal(
        {name: part for name, part in parts.items() if part},
        [redactor.redact(question) for question in questions],
        [redactor.redact(line.text) for line in kept],
    )


def commands_of(text: str) -> set[str]:
    """The commands of a line, those too that its commands start."""
    found = {name for name in scripts.commands(text) if re.fullmatch(r"[A-Za-z0-9._+-]+", name)}
    started = [_COMMAND.findall(match.group(1)) for match in _STARTER.finditer(text)]
    # Before the command there can be options and their values.
    return found | {next(filter(shutil.which, words)) for words in started if any(map(shutil.which, words))}


def _commands(texts: Sequence[str], steps: Sequence[Mapping[str, Any]]) -> list[str]:
    own = {name for text in texts for name in set_by(text) or ()}
    found = {name for text in texts for name in commands_of(text)} - own
    return sorted(found | {step["run"][0] for step in steps if "run" in step})


def _parameter(value: str) -> dict[str, Any]:
    return {
        "type": "string",
        "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$",
        "default": value,
        "description": "A value that stood in several places of the recording",
    }


def _is_kept(line: Line, questions: list[str], shown: Shown) -> bool:
    words = line.text.split()
    first = words[0] if words else ""
    touched = [*line.made, *line.changed, *line.removed, *line.folders, *line.outside]
    if first in EDITORS:
        questions.append(_("'{line}' opened an editor; replace it by a file step.").format(line=shown(line)))
        return False
    if len(words) == 1 and first in TALKERS and not touched:
        asked = _("What was typed into '{line}' was not recorded; give it a file or an option to read it from.")
        questions.append(asked.format(line=shown(line)))
        return False
    if first.startswith("#") and "\n" not in line.text:
        return False
    if line.exit_code != 0:
        failed = _("'{line}' failed (status {status}) and was left out.")
        if touched:
            failed = _("'{line}' failed (status {status}) and was left out, although it changed {paths}.")
        questions.append(
            failed.format(line=shown(line), status=line.exit_code, paths=", ".join(map(names.shown, touched[:3])))
        )
        return False
    if touched:
        return True
    is_simple = not re.search(r"[|;&\n]|\$\(|`", line.text)
    return set_by(line.text) is None and not (is_simple and first in NOISE | {"cd"})


def _conditions(commands: Sequence[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    conditions: dict[str, Any] = {"os.family": facts.get("os.family", "linux")}
    for command in sorted(set(commands) - COREUTILS):
        found = facts.get(f"tool.{command}")
        version = normal_version(str(found)) if found and found != "0" else None
        if version is not None:
            conditions[f"tool.{command}"] = f">={version.major}.{version.minor},<{version.major + 1}"
    return conditions


def _scenarios(conditions: Mapping[str, Any], secrets: Sequence[str]) -> list[dict[str, Any]]:
    example = {"secrets": {name: f"example-{name}" for name in secrets}} if secrets else {}
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
