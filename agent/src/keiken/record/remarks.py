"""What a draft cannot know or carry, as questions to its author: nothing that a step depends on is passed over."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from keiken.i18n import _
from keiken.package import names
from keiken.record.reach import changes_machine
from keiken.record.session import Line, Recording
from keiken.record.steps import is_plain, prelude

_PATH = re.compile(r"(?<![\w.$}/:*?-])(?:~/|/|\.\.?/)[^\s'\"|;&<>()`$]*")
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib", "/dev/", "/proc/", "/sys/")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
_USUAL = {"HOME", "PATH", "PWD", "OLDPWD", "USER", "SHELL", "LANG", "TERM", "HOSTNAME", "UID", "IFS", "RANDOM"}
Shown = Callable[[Line], str]
"""A line as it may be shown: redacted, then cut."""


def remarks(recording: Recording, kept: Sequence[Line], job: Path, given: Mapping[str, str], shown: Shown) -> list[str]:
    """Questions about the kept lines, each once. ``given``: variables that a step gets as secrets."""
    found: dict[str, None] = {}
    lines = recording.lines
    for line in kept:
        index = next(number for number, one in enumerate(lines) if one is line)
        for rule in RULES:
            found |= dict.fromkeys(rule(line, job, shown))
        found |= dict.fromkeys(_unset_variables(lines, index, given, shown))
    for program in recording.left_running:
        still = _("'{program}' still ran at the end and was ended; make it a service of the scenario.")
        found[still.format(program=program)] = None
    return list(found)


def _outside_files(line: Line, job: Path, shown: Shown) -> Iterator[str]:
    here = job / Path(line.cwd).expanduser()
    for path in dict.fromkeys(_paths_outside(line.text, here, job)):
        yield _(
            "'{line}' uses {path}, which lies outside the folder: a replay has only what is in the package."
        ).format(line=shown(line), path=path)
    if line.cwd.startswith(("/", "~", "..")):
        yield _("'{line}' was typed in {path}, outside the folder, which a replay does not have.").format(
            line=shown(line), path=line.cwd
        )


def _paths_outside(text: str, here: Path, job: Path) -> Iterator[str]:
    for match in _PATH.finditer(re.sub(r"\"?\$(?:HOME\b|\{HOME\})\"?(?=/)", "~", text)):
        written = match.group().rstrip(",:")
        whole = os.path.normpath(here / Path(written).expanduser())
        is_inside = os.path.realpath(whole).startswith((f"{job}/", *_SYSTEM)) or whole.startswith(_SYSTEM)
        if whole not in ("/", str(job)) and not is_inside and os.path.lexists(whole):
            yield written


def _outside_work(line: Line, _job: Path, shown: Shown) -> Iterator[str]:
    for path in line.outside[:3]:
        yield _("'{line}' changed {path}; a replay may change only what is below work/.").format(
            line=shown(line), path=names.shown(path)
        )


def _machine(line: Line, _job: Path, shown: Shown) -> Iterator[str]:
    if changes_machine(line.text):
        yield _(
            "'{line}' changes the machine itself, or needs its administrator; a sandbox lets it do neither."
        ).format(line=shown(line))


def _unshown_names(line: Line, _job: Path, _shown: Shown) -> Iterator[str]:
    for path in [*line.made, *line.changed, *line.removed]:
        if not is_plain(path):
            yield _("The name {path} has characters that cannot be seen; no check was proposed for it.").format(
                path=names.shown(path)
            )


def _unset_variables(lines: Sequence[Line], index: int, given: Mapping[str, str], shown: Shown) -> Iterator[str]:
    line = lines[index]
    own = "\n".join([*prelude(lines, index), line.text])
    set_before = "\n".join(one.text for one in lines[:index])
    for name in dict.fromkeys(_VARIABLE.findall(line.text)):
        if (
            name in _USUAL
            or name in given
            or re.search(rf"(?<![\w$]){name}\+?=|\b(?:for|read)\b[^;|&]*\b{name}\b", own)
        ):
            continue
        if name in os.environ or re.search(rf"(?<![\w$]){name}\+?=|\bread\b[^;|&]*\b{name}\b", set_before):
            yield _("'{line}' uses ${name}, which a replay does not have; make it a parameter.").format(
                line=shown(line), name=name
            )


RULES: tuple[Callable[[Line, Path, Shown], Iterator[str]], ...] = (
    _outside_files,
    _outside_work,
    _machine,
    _unshown_names,
)
