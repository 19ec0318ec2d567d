"""Writing a draft package: level 1, level 2 and the redacted trace."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from keiken.errors import UsageError
from keiken.i18n import _
from keiken.record.describe import Words
from keiken.record.inputs import Asset, write_asset

HEADER = """\
# A draft, made by recording. Look at it before you publish:
# - conditions: where is this known to hold? Only what was seen is proposed.
# - parameters: which values may change, and within which bounds?
# - expect: do the checks look at the effect itself? 'keiken check' tells which are too weak.
"""


class _Plain(yaml.SafeDumper):
    """Writes everything out: the format allows no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Scripts as they were typed, line by line."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Plain.add_representer(str, _Plain.represent_str)


def require_new(folder: Path) -> None:
    """The folder is absent or empty and can be made, so that no long session is recorded in vain. Raises UsageError."""
    try:
        if _is_taken(folder):
            raise _taken(folder)
        there = next(parent for parent in folder.absolute().parents if parent.exists())
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(folder, error) from None


def _is_taken(folder: Path) -> bool:
    return folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir())))


class NewFolder:
    """A folder to write into at ``staged``, which becomes ``folder`` at the end, whole or not at all.

    Where somebody has filled ``folder`` meanwhile, what is there stays as it is. With ``or_beside`` the draft is then
    kept in a folder of a similar name, ``kept_in``: a session cannot be had again as easily as a folder is renamed.
    Raises UsageError.
    """

    def __init__(self, folder: Path, *, or_beside: bool = False) -> None:
        self.kept_in = self._folder = folder
        self._names = range(2, 100 if or_beside else 2)

    def __enter__(self) -> NewFolder:
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            # On the same file system, so that it can be moved there in one piece.
            self._holder = Path(tempfile.mkdtemp(prefix=".keiken-draft-", dir=self._folder.parent))
            self.staged = self._holder / "draft"
            self.staged.mkdir()
        except OSError as error:
            raise _unwritable(self._folder, error) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        try:
            if isinstance(error, OSError):
                raise _unwritable(self._folder, error) from None
            if kind is None:
                self._keep()
        finally:
            shutil.rmtree(self._holder, ignore_errors=True)

    def _keep(self) -> None:
        place = self._folder.resolve()
        for name in ("", *(f"-{number}" for number in self._names)):
            self.kept_in = place.with_name(f"{place.name}{name}") if name else self._folder
            try:
                # Onto an empty folder too.
                self.staged.rename(self.kept_in)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise _unwritable(self._folder, error) from None
        raise _taken(self._folder)


def _taken(folder: Path) -> UsageError:
    return UsageError(
        "folder_not_empty",
        _("{folder} is there already, and is no empty folder.").format(folder=folder),
        _("Choose a new folder."),
    )


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        "folder_unwritable",
        _("{folder} cannot be made: {why}.").format(folder=folder, why=error.strerror or type(error).__name__),
        _("Choose a folder whose parent you may write to."),
    )


def write_package(
    folder: Path, parts: dict[str, Any], words: Words | None, assets: Sequence[Asset], trace: str
) -> None:
    """Write into the empty folder; ``words`` replace the plain texts where a model wrote some."""
    if words is not None:
        steps = [{**step, "title": text} for step, text in zip(parts["steps"], words.step_titles, strict=True)]
        parts = {**parts, "title": words.title, "steps": steps}
    document = yaml.dump(parts, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    (folder / "experience.yaml").write_text(HEADER + document, encoding="utf-8")
    (folder / "SKILL.md").write_text(_skill(parts, words), encoding="utf-8")
    if trace:
        (folder / "trace").mkdir()
        (folder / "trace" / "session.jsonl").write_text(trace, encoding="utf-8")
    for asset in assets:
        write_asset(asset, folder / "assets")


def _skill(parts: dict[str, Any], words: Words | None) -> str:
    front = {
        "name": parts["name"],
        "description": words.description if words else f"{parts['title']}. Recorded from a shell session.",
        "license": parts["license"],
    }
    if words:
        body = words.body
    else:
        steps = "\n".join(f"{number}. {step['title']}" for number, step in enumerate(parts["steps"], 1))
        body = f"# {parts['title']}\n\n{steps}"
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)}---\n\n{body}\n"
