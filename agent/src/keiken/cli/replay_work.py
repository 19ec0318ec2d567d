"""What a replay made: taken out of the sandbox while it lives, written down once the replay has succeeded."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from keiken.errors import Failed, KeikenError, UsageError
from keiken.i18n import _
from keiken.sandbox import Sandbox

KEPT_BYTES_LIMIT = 256 << 20


def check_destination(folder: Path | None) -> None:
    """The folder must be absent or empty: nothing of a person's is overwritten. Raises UsageError."""
    if folder is None or not os.path.lexists(folder):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise UsageError(
            "work_out_not_empty",
            _("{folder} is not an empty folder.").format(folder=folder),
            _("Name a new one with --work-out; nothing was run."),
        )


class WorkFiles:
    """The files below ``work/`` at the end of a replay, by their paths there."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._files: dict[str, tuple[bytes, int]] = {}

    def collect(self, sandbox: Sandbox) -> None:
        """Read every file without following links. Raises Failed for one that is too large: half a result is none."""
        total = 0
        for path in sandbox.paths("work/**") if self._wanted else ():
            state = sandbox.read(path)
            total += state.size
            if state.content is None or total > KEPT_BYTES_LIMIT:
                raise Failed(
                    "work_out_too_large",
                    _("{path} is too large to be copied out.").format(path=path),
                    _("Replay it without --work-out, or with '--on host'."),
                )
            self._files[path] = (state.content, int(state.mode or "0644", 8) & 0o755)

    def write(self, folder: Path) -> list[str]:
        """Write them below ``folder``; their paths there. Raises KeikenError ``work_out_failed``."""
        written = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path, (content, mode) in self._files.items():
                relative = PurePosixPath(path).relative_to("work")
                target = folder / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(target, flags, mode), "wb") as file:
                    file.write(content)
                written.append(str(relative))
        except OSError as error:
            raise KeikenError(
                "work_out_failed",
                _("The result cannot be written to {folder}: {why}.").format(folder=folder, why=error.strerror),
                _("Make room or name another folder; the replay itself succeeded, see its report."),
            ) from error
        return written
