"""The files a procedure starts from: copied to ``assets/`` before, where the session and every replay find them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from keiken.errors import PackageError, UsageError
from keiken.i18n import _
from keiken.package import names
from keiken.record.redact import Redactor, certain_secret


@dataclass(frozen=True)
class Asset:
    name: str
    content: bytes
    is_executable: bool = False


@dataclass
class Inputs:
    """``assets`` are what the files were before the session, which may change its copies."""

    assets: list[Asset] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)


def copy_inputs(inputs: Sequence[Path], folder: Path, redactor: Redactor) -> Inputs:
    """Copy them into ``folder``. Raises UsageError for what is no file that a package may hold, or holds a secret."""
    _require_names(inputs)
    copied = Inputs()
    for path in inputs:
        asset = _read(path)
        text = asset.content.decode("utf-8", "surrogateescape")
        _require_no_secret(path, text, redactor)
        seen = Redactor()
        seen.look(text)
        if seen.names:
            copied.questions.append(
                _("{file} is in the package; should these be known: {names}?").format(
                    file=asset.name, names=", ".join(seen.names)
                )
            )
        copied.assets.append(asset)
    for asset in copied.assets:
        write_asset(asset, folder)
    return copied


def write_asset(asset: Asset, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / asset.name).write_bytes(asset.content)
    (folder / asset.name).chmod(0o755 if asset.is_executable else 0o644)


def without_secrets(assets: Sequence[Asset], redactor: Redactor) -> tuple[list[Asset], list[str]]:
    """The same without what only the session has shown to be a secret, and what to tell of that."""
    kept, told = [], []
    for asset in assets:
        text = asset.content.decode("utf-8", "surrogateescape")
        redacted = redactor.redact(text)
        if redacted != text:
            asset = replace(asset, content=redacted.encode("utf-8", "surrogateescape"))
            told.append(
                _("{file} held what the session used as a secret ({names}); it was taken out of the copy.").format(
                    file=asset.name, names=", ".join(sorted(redactor.names_in(text)))
                )
            )
        kept.append(asset)
    return kept, told


def _require_names(inputs: Iterable[Path]) -> None:
    advice = _("Give files of different, plain names with --input; a folder is given as an archive.")
    seen: list[str] = []
    for path in inputs:
        try:
            names.check_path(f"assets/{path.name}")
        except PackageError as error:
            raise UsageError("input_name_invalid", error.message, advice) from None
        if _collides(path.name, seen):
            raise UsageError("input_twice", _("Two input files are named {name}.").format(name=path.name), advice)
        seen.append(path.name)


def _collides(name: str, others: Sequence[str]) -> bool:
    try:
        names.check_collisions([*others, name])
    except PackageError:
        return True
    return name in others


def _read(path: Path) -> Asset:
    if not path.is_file():
        raise UsageError(
            "input_missing",
            _("{file} is no file that can be read.").format(file=path),
            _("Name a file that is there; a folder is given as an archive."),
        )
    try:
        with path.open("rb") as file:
            content = file.read(names.FILE_BYTES_LIMIT + 1)
            is_executable = bool(os.fstat(file.fileno()).st_mode & 0o100)
    except OSError as error:
        raise UsageError(
            "input_unreadable",
            _("{file} cannot be read: {why}.").format(file=path, why=error.strerror or type(error).__name__),
            _("Check its permissions."),
        ) from None
    if len(content) > names.FILE_BYTES_LIMIT:
        raise UsageError(
            "input_too_large",
            _("{file} is larger than 8 MiB, and would be a part of the package.").format(file=path),
            _("Record with a smaller example of it."),
        )
    return Asset(path.name, content, is_executable)


def _require_no_secret(path: Path, text: str, redactor: Redactor) -> None:
    line = certain_secret(text)
    if line is None and redactor.found_in(text):
        found = re.search(r"\[secret ", redactor.redact(text))
        line = text.count("\n", 0, found.start()) + 1 if found else None
    if line is not None:
        raise UsageError(
            "input_holds_secret",
            _("{file}, line {line}: it holds a secret, and would be a part of the package.").format(
                file=path, line=line
            ),
            _("Take it out of the file; let a step get it from --secret."),
        )
