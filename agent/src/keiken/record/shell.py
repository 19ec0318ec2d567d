"""``keiken record shell``: do it once, and leave a draft package that can prove itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from keiken import __version__
from keiken.conditions import probe
from keiken.errors import Failed, PackageError, UsageError
from keiken.i18n import _
from keiken.package import Package, load, review
from keiken.record import describe
from keiken.record.generalize import Proposal, commands_of, propose
from keiken.record.redact import Redactor, certain_secret, environment_secrets
from keiken.record.session import OUTPUT_READ_BYTES, Line, bash, logical_lines, record_script
from keiken.record.terminal import record_terminal, require_terminal
from keiken.record.write import new_folder, require_new, write_package

OUTPUT_KEPT = OUTPUT_READ_BYTES // 16
"""Characters of the end of each output that the trace keeps."""
OUTPUTS_KEPT = 2 << 20
"""Characters of all outputs together; a package may not grow without bound because a session was talkative."""
SCRIPT_BYTES_LIMIT = 1 << 20


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
    warnings: list[str] = field(default_factory=list)
    """What could not be done, although there is a draft."""


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
    on_line: Callable[[str], None] = lambda _text: None,
) -> Draft:
    """Record a script's lines, or without one a session in this terminal, into the absent or empty ``folder``.

    ``inputs`` are copied to ``assets/`` before, where the session and every replay find them. ``secrets``
    are values that must not reach the draft, by name; so are those of the environment whose names say so.
    ``on_line`` gets each redacted line. Raises UsageError, Refused or Failed before anything is written, and
    PackageError when the draft breaks a rule of the format: it is in ``folder`` all the same, to be mended.
    """
    require_new(folder)
    bash()
    redactor = Redactor({**environment_secrets(os.environ), **(secrets or {})})
    text = _script_text(script) if script is not None else None
    if text is None:
        require_terminal()
    else:
        redactor.look(text)
    with tempfile.TemporaryDirectory(prefix="keiken-record-") as temporary:
        job = Path(temporary) / "job"
        (job / "work").mkdir(parents=True)
        assets, questions = _copy_inputs(inputs, job / "assets", redactor)
        lines = _record(text, job, lambda line: on_line(redactor.redact(line.text)))
        for line in lines:
            redactor.look(f"{line.text}\n{line.stdout}\n{line.stderr}")
        proposal = _proposal(lines, redactor, job)
        parts = _identity(name, title, version, license) | proposal.parts
        with new_folder(folder) as staged:
            warnings = _write(staged, parts, proposal, assets, _trace(lines, redactor))
            _require_no_secret(staged, redactor)
    taken_out = [one for one in redactor.names if any(redactor.names_in(_all_of(line)) & {one} for line in lines)]
    return Draft(folder, _loaded(folder), len(lines), taken_out, questions + proposal.questions, warnings)


def _script_text(script: Path) -> str:
    advice = _("Name a text file with one command a line, in UTF-8, that you may read.")
    try:
        with script.open("rb") as file:
            content = file.read(SCRIPT_BYTES_LIMIT + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(
            "script_unreadable",
            _("{file} cannot be read: {why}.").format(file=script, why=error.strerror or type(error).__name__),
            advice,
        ) from None
    except UnicodeDecodeError:
        raise UsageError("script_unreadable", _("{file} is no text in UTF-8.").format(file=script), advice) from None
    if "\0" in text or len(content) > SCRIPT_BYTES_LIMIT:
        raise UsageError("script_unreadable", _("{file} is no script.").format(file=script), advice)
    return text


def _copy_inputs(inputs: Sequence[Path], assets: Path, redactor: Redactor) -> tuple[list[Path], list[str]]:
    """Raises UsageError for a file that is none, stands for two, or holds a secret."""
    copied: list[Path] = []
    questions = []
    for path in inputs:
        if not path.is_file() or path.name in [one.name for one in copied]:
            raise UsageError(
                "input_missing" if not path.is_file() else "input_twice",
                _("{file} is no file that can be read.").format(file=path)
                if not path.is_file()
                else _("Two input files are named {name}.").format(name=path.name),
                _("Give files of different names with --input; a folder is given as an archive."),
            )
        try:
            text = path.read_bytes().decode("utf-8", "replace")
        except OSError as error:
            raise UsageError(
                "input_unreadable",
                _("{file} cannot be read: {why}.").format(file=path, why=error.strerror),
                _("Check its permissions."),
            ) from None
        line = certain_secret(text)
        if line is not None or redactor.found_in(text):
            raise UsageError(
                "input_holds_secret",
                _("{file} holds a secret, and would be a part of the package.").format(file=path)
                + (_(" (line {line})").format(line=line) if line else ""),
                _("Take it out of the file; let a step get it from --secret."),
            )
        seen = Redactor()
        seen.look(text)
        if seen.names:
            questions.append(
                _("{file} is in the package; should these be known: {names}?").format(
                    file=path.name, names=", ".join(seen.names)
                )
            )
        assets.mkdir(exist_ok=True)
        copied.append(Path(shutil.copy(path, assets / path.name)))
    return copied, questions


def _record(text: str | None, job: Path, on_line: Callable[[Line], None]) -> list[Line]:
    lines = (
        record_terminal(job, lambda _line: None)
        if text is None
        else record_script(logical_lines(text), job, on_line, os.environ)
    )
    if not any(line.exit_code == 0 for line in lines):
        what = _("Nothing was recorded: there was no command.") if not lines else _("Nothing was recorded that worked.")
        raise UsageError("nothing_recorded", what, _("Record at least one command that succeeds."))
    return lines


def _proposal(lines: Sequence[Line], redactor: Redactor, job: Path) -> Proposal:
    tools = sorted({name for line in lines if line.exit_code == 0 for name in commands_of(line.text)})
    known = environment_secrets(os.environ)
    inherited = {
        variable: redactor.name_of(value)
        for variable, value in os.environ.items()
        if value in known.values() and re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable) and redactor.name_of(value)
    }
    proposal = propose(lines, probe(tools=tools), redactor, job=job, inherited=inherited)
    if "steps" not in proposal.parts:
        raise UsageError(
            "nothing_recorded",
            _("Nothing was recorded that could be a step: the session only looked around."),
            _("Record at least one command that does something."),
        )
    return proposal


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


def _write(staged: Path, parts: dict[str, Any], proposal: Proposal, assets: Sequence[Path], trace: str) -> list[str]:
    """Write the draft, with a model's words where one is configured and they fit; why they do not, as warnings."""
    if not describe.is_configured():
        write_package(staged, parts, None, assets, trace)
        return []
    try:
        words = describe.describe(proposal.told)
        write_package(staged, parts, words, assets, trace)
        if _fits(staged):
            return []
        why = _("its words do not fit the format")
    except describe.NoWords as error:
        why = str(error)
    for entry in staged.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    write_package(staged, parts, None, assets, trace)
    return [_("The model wrote no texts: {why}. The draft has plain ones.").format(why=why)]


def _fits(folder: Path) -> bool:
    try:
        return not any(finding.level == "error" for finding in review(load(folder)))
    except PackageError:
        return False


def _loaded(folder: Path) -> Package:
    try:
        return load(folder)
    except PackageError as error:
        error.advice = _("The draft is in {folder}: mend it there, then 'keiken check {folder}'.").format(folder=folder)
        raise


def _require_no_secret(staged: Path, redactor: Redactor) -> None:
    """The last look before anything is kept: no value that is known for a secret. Raises Failed."""
    given = Redactor(redactor.known)
    for path in sorted(staged.rglob("*")):
        if path.is_file() and "assets" not in path.relative_to(staged).parts:
            text = path.read_text(encoding="utf-8")
            names = given.names_in(text)
            if names or certain_secret(text) is not None:
                raise Failed(
                    "secret_left",
                    _("The draft would still hold a secret ({names}) in {file}, so it was not kept.").format(
                        names=", ".join(sorted(names)) or "?", file=path.name
                    ),
                    _("Let the session read the secret from a variable, and record again."),
                )


def _all_of(line: Line) -> str:
    return f"{line.text}\n{line.stdout}\n{line.stderr}"


def _trace(lines: Sequence[Line], redactor: Redactor) -> str:
    """Level 0: what was recorded, redacted, one JSON document a line. Outputs only up to a bound."""
    left, documents = OUTPUTS_KEPT, []
    for line in lines:
        # Redacted before it is cut: half a secret would not be found.
        outputs = [redactor.redact(text)[-OUTPUT_KEPT:] for text in (line.stdout, line.stderr)]
        left -= sum(map(len, outputs))
        if left < 0:
            outputs = ["", ""]
        document = asdict(replace(line, stdout=outputs[0], stderr=outputs[1]))
        documents.append(json.dumps(_redacted(document, redactor), ensure_ascii=False))
    return "".join(f"{document}\n" for document in documents)


def _redacted(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        # Names of files need not be UTF-8; the trace is.
        return redactor.redact(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_redacted(key, redactor): _redacted(item, redactor) for key, item in value.items()}
    return [_redacted(item, redactor) for item in value] if isinstance(value, list) else value
