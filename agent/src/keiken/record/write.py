"""Writing a draft package: level 1, level 2 and the redacted trace."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from keiken.errors import UsageError
from keiken.i18n import _
from keiken.record.describe import Words

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


def require_new(folder: Path) -> None:
    """The folder is absent or empty and can be made, so that no long session is recorded in vain. Raises UsageError."""
    try:
        is_taken = folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir())))
        if is_taken:
            raise UsageError(
                "folder_not_empty",
                _("{folder} is there already, and is no empty folder.").format(folder=folder),
                _("Choose a new folder."),
            )
        with _beside(folder):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that becomes ``folder`` at the end, whole or not at all. Raises UsageError."""
    try:
        with _beside(folder) as staged:
            yield staged
            # Onto an empty folder too; a folder that somebody has filled meanwhile stays as it is.
            staged.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same file system."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=".keiken-draft-", dir=folder.parent))
    try:
        (holder / "draft").mkdir()
        yield holder / "draft"
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        "folder_unwritable",
        _("{folder} cannot be made: {why}.").format(folder=folder, why=error.strerror or type(error).__name__),
        _("Choose a folder whose parent you may write to."),
    )


def write_package(folder: Path, parts: dict[str, Any], words: Words | None, assets: Sequence[Path], trace: str) -> None:
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
    for path in assets:
        (folder / "assets").mkdir(exist_ok=True)
        shutil.copy(path, folder / "assets" / path.name)


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
