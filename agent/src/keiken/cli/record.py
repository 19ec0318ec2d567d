"""``keiken record``: do it once, and keep how it was done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from keiken.cli.command import Group, pass_terminal
from keiken.cli.packages import package_name
from keiken.cli.replay_inputs import SECRET_VARIABLE
from keiken.cli.terminal import Terminal, plain
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.record import record_shell
from keiken.record.redact import secret_name
from keiken.replay.masking import SHORTEST


@click.group("record", cls=Group, help=_("Record a procedure while it is done; what comes out is a draft package."))
def command() -> None:
    """The group itself does nothing."""


@command.command("shell", help=_("Record a shell session in this terminal, or a script line by line."))
@click.option("--name", required=True, metavar="NAME", help=_("The name of the package, in-words-like-this."))
@click.option("--out", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help=_("A new folder."))
@click.option("--title", default="", help=_("What it does, in a few words."))
@click.option("--version", "version_", default="0.1.0", show_default=True, help=_("The version of the draft."))
@click.option("--license", "license_", default="Apache-2.0", show_default=True, help=_("Its SPDX expression."))
@click.option("--script", type=click.Path(path_type=Path), metavar="FILE", help=_("Record these lines instead."))
@click.option(
    "--input",
    "input_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=_("A file the procedure starts from; it lies in assets/ (repeatable)."),
)
@click.option("--secret", "secret_names", multiple=True, metavar="NAME", help=_("Keep KEIKEN_SECRET_<NAME> out of it."))
@pass_terminal
def shell(terminal: Terminal, /, **given: Any) -> None:
    if given["script"] is None and terminal.wants_json:
        raise UsageError(
            "script_missing",
            _("With --json there is no terminal to record."),
            _("Name the lines to record with --script, or leave --json out."),
        )
    draft = record_shell(
        folder=given["folder"],
        name=package_name(given["name"]),
        script=given["script"],
        inputs=given["input_paths"],
        title=given["title"],
        version=given["version_"],
        license=given["license_"],
        secrets=_secrets(given["secret_names"]),
        on_start=lambda: _say_how(terminal) if given["script"] is None else None,
        on_line=lambda text: terminal.note(f"$ {text}"),
    )
    manifest = draft.package.manifest
    document = {
        "folder": str(draft.folder.absolute()),
        "name": manifest.name,
        "version": manifest.version,
        "lines": draft.lines,
        "steps": [step.id for step in manifest.steps],
        "parameters": list(manifest.parameters),
        "conditions": dict(manifest.conditions),
        "redacted": draft.redacted,
        "questions": draft.questions,
        "warnings": draft.warnings,
    }
    for warning in draft.warnings:
        terminal.note(warning)
    terminal.answer(
        document,
        _("{n} lines became {steps} steps in {folder}").format(
            n=draft.lines, steps=len(manifest.steps), folder=draft.folder
        ),
        *([_("Taken out: {names}").format(names=", ".join(draft.redacted))] if draft.redacted else []),
        *(Text.assemble(("? ", "yellow"), plain(question)) for question in draft.questions),
        _("Look it over, then: keiken check {folder}").format(folder=draft.folder),
    )


def _say_how(terminal: Terminal) -> None:
    terminal.note(_("Recording. Make what you make below work/; what --input names lies in assets/."))
    terminal.note(_("Leave with 'exit' or Ctrl-D, and the draft is written."))


def _secrets(names: tuple[str, ...]) -> dict[str, str]:
    """Values that must not reach the draft. Raises UsageError for a variable that is not set."""
    found = {}
    for given in names:
        name = secret_name(given)
        variable = f"{SECRET_VARIABLE}{name.upper()}"
        value = os.environ.get(variable, "")
        if not name:
            raise UsageError(
                "secret_name_invalid",
                _("'{name}' is no name of a secret.").format(name=given),
                _("Use letters, digits and underscores, as in api_token."),
            )
        if not value:
            raise UsageError(
                "secret_missing",
                _("{variable} is not set.").format(variable=variable),
                _("Set it to the value that must not reach the draft."),
            )
        if len("".join(value.split())) < SHORTEST:
            raise UsageError(
                "secret_too_short",
                _("The secret '{name}' has fewer than 4 characters.").format(name=name),
                _("So short a text cannot be masked; give a longer one."),
            )
        found[name] = value
    return found
