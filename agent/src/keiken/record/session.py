"""What a recording is made of: lines as they were typed, how each ended, and which files it changed."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from keiken.errors import KeikenError, Refused, UsageError
from keiken.i18n import _
from keiken.record.watch import State, same


@dataclass
class Line:
    """One line as it was typed, and what came of it."""

    text: str
    exit_code: int
    cwd: str
    """The folder in which it began, relative to the job folder; empty for that itself, absolute outside it."""
    duration_seconds: float = 0
    stdout: str = ""
    stderr: str = ""
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    """Folders that it made."""
    digests_before: dict[str, str] = field(default_factory=dict)
    """Of changed files whose content changed: the SHA-256 that they had."""
    modes_before: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    """What it made, changed or removed in the job folder, but not below ``work/``."""


OnLine = Callable[[Line], None]
_LOOK_MILLISECONDS = 500


@dataclass
class Recording:
    """The lines of a session, and the names of the programs that still ran when it ended."""

    lines: list[Line] = field(default_factory=list)
    left_running: list[str] = field(default_factory=list)
    trouble: KeikenError | None = None
    """Why it ended before its person left it."""


def bash() -> str:
    """Where bash is. Raises Refused ``bash_missing``."""
    found = shutil.which("bash")
    if found is None:
        raise Refused(
            "bash_missing",
            _("There is no bash on this machine, and it is what records a session."),
            _("Install it (on Debian: apt-get install bash) and record again."),
        )
    return found


def logical_lines(script: str, shown: Callable[[str], str]) -> list[str]:
    """The commands of a script: continued lines joined, here-documents and open quotes kept whole, comments dropped.

    ``shown`` makes a line fit to be told of. Raises UsageError ``script_incomplete`` for a script that ends inside a
    command.
    """
    found: list[str] = []
    pending = ""
    for line in script.replace("\r\n", "\n").split("\n"):
        pending = f"{pending}\n{line}" if pending else line
        if not pending.strip() or pending.lstrip().startswith("#"):
            pending = ""
        elif _is_complete(pending):
            found.append(pending.strip())
            pending = ""
    if pending:
        raise UsageError(
            "script_incomplete",
            _("The script ends in the middle of: {line}").format(line=shown(pending)),
            _("Close the quote, the here-document or the loop that it opens."),
        )
    return found


def _is_complete(text: str) -> bool:
    if (len(text) - len(text.rstrip("\\"))) % 2:
        return False
    # The words of bash are matched, so they must be English.
    done = subprocess.run(
        [bash(), "-n"],
        input=text.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"},
    )
    return not re.search(rb"unexpected end of file|unexpected EOF|here-document", done.stderr)


def line_of(text: str, status: int, cwd: str, job: Path, before: State, after: State) -> Line:
    """What a line did, from the files before and after it. ``cwd`` is where it began."""
    made = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(path for path in after.keys() & before.keys() if not same(after[path], before[path]))
    files = [path for path in changed if after[path].kind == "file" == before[path].kind]
    inside = [path for path in made if path.startswith("work/")]
    kept = [path for path in files if path.startswith("work/")]
    try:
        relative = str(Path(cwd).resolve().relative_to(job.resolve()))
    except ValueError:
        relative = cwd
    return Line(
        text=text,
        exit_code=status,
        cwd="" if relative == "." else relative,
        made=[path for path in inside if after[path].kind != "folder"],
        changed=kept,
        removed=[path for path in removed if path.startswith("work/")],
        sizes={path: after[path].size for path in [*inside, *kept]},
        modes={path: after[path].mode for path in [*inside, *kept]},
        folders=[path for path in inside if after[path].kind == "folder"],
        digests_before={p: before[p].digest for p in kept if before[p].digest and before[p].digest != after[p].digest},
        modes_before={path: before[path].mode for path in kept if before[path].mode != after[path].mode},
        outside=[path for path in [*made, *files, *removed] if not path.startswith("work/") and path != "work"],
    )


def read_fields(descriptor: int, count: int) -> list[str] | None:
    """The next ``count`` fields that end with NUL; None at the end."""
    data, waiting = b"", select.poll()
    waiting.register(descriptor, select.POLLIN)
    while data.count(b"\0") < count:
        # A Ctrl-C that comes just before a thread begins to wait does not wake it; the next look notices it.
        while not waiting.poll(_LOOK_MILLISECONDS):
            pass
        part = os.read(descriptor, 1)
        if not part:
            return None
        data += part
    return [field.decode("utf-8", "replace") for field in data.split(b"\0")[:count]]
