"""``keiken record shell``: do it once, and leave a draft package that can prove itself."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from keiken import __version__
from keiken.conditions import probe
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.package import Package, load
from keiken.record import describe
from keiken.record.generalize import propose
from keiken.record.redact import Redactor
from keiken.record.session import Line, logical_lines, record_script, record_terminal
from keiken.record.write import write_package


@dataclass(frozen=True)
class Draft:
    """The draft package and what its author should look at."""

    folder: Path
    package: Package
    lines: int
    """How many lines were recorded; the steps can be fewer."""
    redacted: list[str] = field(default_factory=list)
    """Names of the secrets that were found. Their values are nowhere in the draft."""
    questions: list[str] = field(default_factory=list)


def record_shell(
    *,
    folder: Path,
    name: str,
    script: Path | None = None,
    inputs: Sequence[Path] = (),
    title: str = "",
    version: str = "0.1.0",
    license: str = "Apache-2.0",  # the field's own name
    secrets: Mapping[str, str] | None = None,
    on_line: Callable[[Line], None] = lambda _line: None,
) -> Draft:
    """Record a script's lines, or without one a session in this terminal, into the absent or empty ``folder``.

    ``inputs`` are copied to ``assets/`` before, where the session and every replay find them. ``secrets``
    are values that must not reach the draft, by name. Raises UsageError, Failed, or PackageError when no draft
    could be made of it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "folder_not_empty", _("{folder} is not empty.").format(folder=folder), _("Choose a new folder with --out.")
        )
    with tempfile.TemporaryDirectory(prefix="keiken-record-") as temporary:
        job = Path(temporary) / "job"
        (job / "work").mkdir(parents=True)
        assets = _copy_inputs(inputs, job / "assets")
        lines = _record(script, job, on_line)
        if not any(line.exit_code == 0 for line in lines):
            raise UsageError("nothing_recorded", _("Nothing was recorded that worked."), _("Try it again."))
        redactor = Redactor(secrets)
        for line in lines:
            redactor.look(f"{line.text}\n{line.stdout}\n{line.stderr}")
        used = sorted({word for line in lines for word in line.text.split()[:1]})
        proposal = propose(lines, probe(tools=used), redactor)
        parts = _identity(name, title, version, license) | proposal.parts
        words = describe.describe([redactor.redact(line.text) for line in lines]) if describe.is_configured() else None
        staged = Path(temporary) / "draft" / name
        write_package(staged, parts, words, assets, _trace(lines, redactor))
        package = load(staged)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(staged, folder, dirs_exist_ok=True)
    return Draft(folder, package, len(lines), redactor.names, proposal.questions)


def _record(script: Path | None, job: Path, on_line: Callable[[Line], None]) -> list[Line]:
    if script is None:
        return record_terminal(job, on_line)
    try:
        text = script.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "script_unreadable", _("{file} cannot be read: {why}.").format(file=script, why=error)
        ) from None
    return record_script(logical_lines(text), job, on_line)


def _copy_inputs(inputs: Sequence[Path], assets: Path) -> list[Path]:
    copied = []
    for path in inputs:
        if not path.is_file():
            raise UsageError("input_missing", _("{file} is no file.").format(file=path))
        assets.mkdir(exist_ok=True)
        copied.append(Path(shutil.copy(path, assets / path.name)))
    return copied


def _identity(name: str, title: str, version: str, license_: str) -> dict[str, object]:
    return {
        "experience": "1",
        "name": name,
        "version": version,
        "title": title or name.replace("-", " ").capitalize(),
        "topics": ["recorded"],
        "license": license_,
        "provenance": {"recorder": f"keiken record shell {__version__}"},
    }


def _trace(lines: Sequence[Line], redactor: Redactor) -> str:
    """Level 0: what was recorded, redacted, one JSON document a line."""
    return "".join(redactor.redact(json.dumps(asdict(line), ensure_ascii=False)) + "\n" for line in lines)
