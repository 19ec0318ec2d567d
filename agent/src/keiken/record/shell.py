"""``keiken record shell``: do it once, and leave a draft package that can prove itself."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from keiken import __version__
from keiken.conditions import probe
from keiken.errors import Failed, PackageError, UsageError
from keiken.i18n import _
from keiken.package import Package, load, review
from keiken.package.manifest import Manifest
from keiken.package.sentences import sentence
from keiken.record import describe
from keiken.record.generalize import SHOWN, Proposal, commands_of, propose
from keiken.record.inputs import Asset, copy_inputs, without_secrets
from keiken.record.local import Local, home_of_person
from keiken.record.redact import Redactor, certain_secret, environment_secrets
from keiken.record.scripted import record_script
from keiken.record.session import Line, Recording, bash, logical_lines
from keiken.record.steps import one_line
from keiken.record.terminal import record_terminal, require_terminal, surviving_hangup
from keiken.record.trace import trace_of
from keiken.record.write import NewFolder, require_new, write_package

SCRIPT_BYTES_LIMIT = 1 << 20
_NAMES_OF_SECRETS = re.compile(
    r"(?m)\bsecrets\.\w+|\[secret \w+\]|\bSECRET_\w+|\bexample-\w+|^ *- \w+$|^ +\w+:(?= example-)"
)


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
    on_start: Callable[[], None] = lambda: None,
    on_line: Callable[[str], None] = lambda _text: None,
) -> Draft:
    """Record a script's lines, or without one a session in this terminal, into the absent or empty ``folder``.

    ``inputs`` are copied to ``assets/`` before, where the session and every replay find them. ``secrets``
    are values that must not reach the draft, by name; so are those of the environment whose names say so.
    ``on_start`` is called when all is ready, ``on_line`` gets each redacted line of a script. Raises UsageError,
    Refused or Failed before anything is written, and PackageError when the draft breaks a rule of the format: it is in
    ``folder`` all the same, to be mended.
    """
    require_new(folder)
    bash()
    redactor = Redactor({**environment_secrets(os.environ), **(secrets or {})})
    _require_not_named_like_a_secret((name, version, license), redactor)
    identity = _identity(name, redactor.redact(title), version, license)
    text = _script_text(script) if script is not None else None
    if text is None:
        require_terminal()
    else:
        redactor.look(text)
    with tempfile.TemporaryDirectory(prefix="keiken-record-") as temporary, surviving_hangup(text is None):
        # Resolved, because that is how the shell will call it.
        job = Path(temporary).resolve() / "job"
        (job / "work").mkdir(parents=True)
        copied = copy_inputs(inputs, job / "assets", redactor)
        on_start()
        recording = _record(text, job, redactor, on_line)
        for line in recording.lines:
            redactor.look(line.text)
            redactor.look_at_output(f"{line.stdout}\n{line.stderr}")
        proposal = _proposal(recording, redactor, job)
        parts = identity | proposal.parts
        assets, told = without_secrets(copied.assets, redactor)
        with NewFolder(folder, or_beside=True) as new:
            warnings = _write(new.staged, parts, proposal, assets, trace_of(recording.lines, redactor))
            _require_no_secret(new.staged, redactor)
    if recording.trouble is not None:
        warnings.append(_("The recording ended early: {why}").format(why=recording.trouble.message))
    if new.kept_in != folder:
        warnings.append(_("{folder} was filled meanwhile; the draft is beside it.").format(folder=folder))
    found: set[str] = set().union(*(redactor.names_in(_all_of(line)) for line in recording.lines))
    questions = [*copied.questions, *told, *proposal.questions]
    return Draft(new.kept_in, _loaded(new.kept_in), len(recording.lines), sorted(found), questions, warnings)


def _require_not_named_like_a_secret(texts: Sequence[str], redactor: Redactor) -> None:
    for text in texts:
        if redactor.found_in(text):
            raise UsageError(
                "secret_in_name",
                _("What the draft is to be called holds the value of a secret ({names}).").format(
                    names=", ".join(sorted(redactor.names_in(text)))
                ),
                _("Choose another name, or take the value out of the environment."),
            )


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


def _record(text: str | None, job: Path, redactor: Redactor, on_line: Callable[[str], None]) -> Recording:
    local = Local(job, home_of_person())

    def shown(typed: str) -> str:
        return one_line(local.text(typed), redactor, SHOWN)

    if text is None:
        recording = record_terminal(job)
    else:
        lines = logical_lines(text, shown)
        recording = record_script(lines, job, lambda line: on_line(shown(line.text)), os.environ, shown)
    recording.lines = [local.line(line) for line in recording.lines]
    if any(line.exit_code == 0 for line in recording.lines):
        return recording
    if recording.trouble is not None:
        raise recording.trouble
    if not recording.lines:
        raise UsageError(
            "nothing_recorded",
            _("Nothing was recorded: there was no command."),
            _("Put the commands into the script, one a line.")
            if text is not None
            else _("Type the commands at the prompt '(keiken)', and leave it with 'exit'."),
        )
    for line in recording.lines:
        redactor.look(line.text)
    first = recording.lines[0]
    raise UsageError(
        "nothing_recorded",
        _("Nothing was recorded that worked: '{line}' ended with status {status}.").format(
            line=shown(first.text), status=first.exit_code
        ),
        _("The commands start in an empty folder: give the files that they need with --input, they lie in assets/."),
    )


def _proposal(recording: Recording, redactor: Redactor, job: Path) -> Proposal:
    lines = recording.lines
    tools = sorted({name for line in lines if line.exit_code == 0 for name in commands_of(line.text)})
    known = environment_secrets(os.environ)
    inherited = {
        variable: redactor.name_of(value)
        for variable, value in os.environ.items()
        if value in known.values() and re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable) and redactor.name_of(value)
    }
    proposal = propose(recording, probe(tools=tools), redactor, job=job, inherited=inherited)
    if "steps" not in proposal.parts:
        raise UsageError(
            "nothing_recorded",
            _("Nothing was recorded that could be a step: the session only looked around."),
            _("Record at least one command that makes or changes something, below work/."),
        )
    return proposal


def _identity(name: str, title: str, version: str, license_: str) -> dict[str, object]:
    """Raises UsageError for what no package may be called: told before a long session is recorded."""
    identity: dict[str, object] = {
        "experience": "1",
        "name": name,
        "version": version,
        "title": title or name.replace("-", " ").capitalize(),
        "topics": ["recorded"],
        "license": license_,
        "provenance": {"recorder": f"keiken record shell {__version__}"},
    }
    try:
        Manifest.model_validate({**identity, "steps": [{"id": "any", "run": ["true"]}]})
    except ValidationError as error:
        raise UsageError(
            "option_invalid",
            _("The draft would be no package: {why}.").format(why=sentence(error.errors(include_url=False)[0])),
            _("'keiken record shell --help' shows what each option takes."),
        ) from None
    return identity


def _write(staged: Path, parts: dict[str, Any], proposal: Proposal, assets: Sequence[Asset], trace: str) -> list[str]:
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
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            # The name of a secret may hold its value, and is no secret.
            names = given.names_in(_NAMES_OF_SECRETS.sub("", text))
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
