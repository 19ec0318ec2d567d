"""Packages as the commands are given them: a folder, or an archive that is unpacked as if by an enemy."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from keiken.cli.terminal import plain
from keiken.errors import PackageError, UsageError
from keiken.i18n import _
from keiken.package import Finding, Package, load, unpack
from keiken.package.archive import ARCHIVE_BYTES_LIMIT
from keiken.package.manifest import NAME_PATTERN


def package_name(text: str) -> str:
    """The name, when a package may have it: told before a long session is recorded under it. Raises UsageError."""
    if not re.fullmatch(NAME_PATTERN, text) or len(text) > 64:
        raise UsageError(
            "name_invalid",
            _("'{name}' is no name of a package.").format(name=text),
            _("Use small letters, digits and single hyphens, as in rotate-keys: --name rotate-keys."),
        )
    return text


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Package]:
    """The package in a folder or an archive; an archive's folder is gone afterwards. Raises PackageError."""
    if path.is_file():
        with unpacked(_read(path)) as package:
            yield package
    else:
        yield load(path)


@contextlib.contextmanager
def unpacked(archive: bytes) -> Iterator[Package]:
    """The package in these bytes, in a folder of its own for as long as it is needed. Raises PackageError."""
    with tempfile.TemporaryDirectory(prefix="keiken-") as folder:
        yield unpack(archive, Path(folder) / "package")


def _read(path: Path) -> bytes:
    """At most one byte more than may be, so that a huge file is refused without being read."""
    try:
        with path.open("rb") as file:
            return file.read(ARCHIVE_BYTES_LIMIT + 1)
    except OSError as error:
        raise UsageError(
            "package_unreadable",
            _("{path} cannot be read: {why}.").format(path=path, why=error.strerror),
            _("Check its name and its permissions."),
        ) from error


def refuse_errors(findings: Sequence[Finding]) -> None:
    """Raises PackageError for the first finding that is an error, as publishing would, with all in ``details``."""
    errors = [finding for finding in findings if finding.level == "error"]
    if not errors:
        return
    first = errors[0]
    refusal = PackageError(
        first.code,
        first.message,
        file=first.file,
        line=first.line,
        advice=_("Mend it and see with 'keiken check' before you publish again."),
    )
    refusal.details["findings"] = [vars(finding) for finding in findings]
    raise refusal


def finding_lines(findings: Sequence[Finding]) -> list[Text]:
    styles = {"error": "red", "warning": "yellow", "notice": "dim"}
    names = {"error": _("error"), "warning": _("warning"), "notice": _("notice")}
    return [
        Text.assemble((f"{names[finding.level]}: ", styles[finding.level]), plain(finding.message))
        for finding in findings
    ]
