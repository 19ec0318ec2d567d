"""Paths of this machine do not belong into a package: the job folder becomes ``.``, the home folder ``~``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from keiken.record import shelltext
from keiken.record.session import Line

JOB = "KEIKEN_JOB"
"""The variable that stands for the job folder where a line may have left it."""
_MOVES = re.compile(r"(?:^|[\s;&|(])(?:cd|pushd|popd)\b")


def home_of_person() -> Path | None:
    """The home folder where its name is somebody's; None for that of root or of a system's own account."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.parts[1:2] in (("home",), ("Users",)) and len(home.parts) > 2 else None


class Local:
    """Rewrites what names the job folder, what lies beside it, and the home folder of whoever records."""

    def __init__(self, job: Path, home: Path | None) -> None:
        """``job`` is resolved."""
        self._job, self._beside = _path(job), _path(job.parent)
        self._home = _path(home) if home else None

    def line(self, line: Line) -> Line:
        """The line as it could have been typed on any machine, and what it printed without paths of this one."""
        return replace(
            line,
            text=self._typed(line),
            cwd=self.text(line.cwd),
            stdout=self.text(line.stdout),
            stderr=self.text(line.stderr),
        )

    def text(self, text: str) -> str:
        text = self._beside.sub("..", self._job.sub(".", text))
        return self._home.sub("~", text) if self._home else text

    def _typed(self, line: Line) -> str:
        text = line.text
        if line.cwd or _MOVES.search(text):
            text = shelltext.fill(text, self._job, lambda _match: JOB, lambda _match: ".")
        if self._home:
            text = shelltext.fill(text, self._home, lambda _match: "HOME", lambda _match: "~")
        return self.text(text)


def _path(path: Path) -> re.Pattern[str]:
    """The path, and not the beginning of another name. What stands before it may be an option, as in ``-C/tmp``."""
    return re.compile(rf"{re.escape(str(path))}(?![\w-]|\.\w)")
