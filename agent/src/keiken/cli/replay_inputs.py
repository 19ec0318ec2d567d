"""What a replay is given: parameters by their schema, secrets never by argument, answers, files for its work folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keiken.cli.terminal import Terminal, Working
from keiken.errors import UsageError
from keiken.i18n import _
from keiken.package.manifest import Manifest, Scenario, Step

SECRET_VARIABLE = "KEIKEN_SECRET_"  # noqa: S105  # the beginning of a variable's name
INPUT_BYTES_LIMIT = 64 << 20
YES_NO = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}


def scenario(manifest: Manifest, name: str, *, on_host: bool, has_values: bool) -> Scenario | None:
    """The scenario of ``--scenario``; None without one. Raises UsageError for an unknown one, and on a real machine."""
    if not name:
        return None
    if on_host:
        raise UsageError(
            "scenario_on_host",
            _("A scenario is a rehearsal and only runs in a sandbox."),
            _("Leave out --scenario or --on host."),
        )
    if has_values:
        raise UsageError(
            "scenario_has_values",
            _("A scenario brings its own parameters and answers."),
            _("Leave out --scenario, or -p and --answer."),
        )
    found = next((one for one in manifest.scenarios if one.name == name), None)
    if found is None:
        names = ", ".join(f"'{one.name}'" for one in manifest.scenarios)
        raise UsageError(
            "scenario_unknown",
            _("There is no scenario '{name}'.").format(name=name),
            _("It has: {names}.").format(names=names),
        )
    return found


def _pairs(given: Sequence[str], option: str, form: str) -> dict[str, str]:
    """``key=value`` arguments. Raises UsageError; does not repeat a value, which may be private."""
    found: dict[str, str] = {}
    for item in given:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UsageError(
                "argument_malformed",
                _("{option} takes {form}.").format(option=option, form=form),
                _("Write it as {option} {form}.").format(option=option, form=form),
            )
        if key in found:
            raise UsageError(
                "argument_repeated",
                _("'{key}' is given twice with {option}.").format(key=key, option=option),
                _("Give it once."),
            )
        found[key] = value
    return found


def parameters(manifest: Manifest, given: Sequence[str]) -> dict[str, Any]:
    """The values of ``-p``: text where the schema takes text, else JSON. The replayer refuses unknown names."""
    pairs = _pairs(given, "-p", "NAME=VALUE")
    return {name: _value(name, manifest.parameters.get(name, {}), text) for name, text in pairs.items()}


def _value(name: str, schema: Mapping[str, Any], text: str) -> Any:
    if not text.isprintable() and any("\ud800" <= c <= "\udfff" for c in text):
        raise UsageError(
            "argument_malformed",
            _("The value of '{name}' is not valid UTF-8.").format(name=name),
            _("Give it in UTF-8, the encoding of your terminal."),
        )
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "string" in kinds:
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def secrets(terminal: Terminal, manifest: Manifest, named: Sequence[str]) -> dict[str, str]:
    """Every declared secret from ``KEIKEN_SECRET_<NAME>``, or typed. One that nobody gives is left out."""
    for name in named:
        if "=" in name:
            raise UsageError(
                "secret_in_argument",
                _("A secret's value never stands among the arguments, where others on this machine may read it."),
                _("Set {variable}NAME, or type it when asked.").format(variable=SECRET_VARIABLE),
            )
        if name not in manifest.secrets:
            raise UsageError(
                "secret_unknown",
                _("There is no secret '{name}'.").format(name=name),
                _("It takes: {names}.").format(names=", ".join(manifest.secrets) or _("none")),
            )
    found = {}
    for name in manifest.secrets:
        value = None if name in named else os.environ.get(f"{SECRET_VARIABLE}{name.upper()}")
        value = value if value is not None else terminal.secret(_("Secret '{name}'").format(name=name))
        value = value if value is not None else os.environ.get(f"{SECRET_VARIABLE}{name.upper()}")
        if value:
            found[name] = value
    return found


def answers(manifest: Manifest, given: Sequence[str]) -> dict[str, bool]:
    """``--answer STEP=yes``. Raises UsageError for a step that asks nothing and for any other word."""
    asking = [step.id for step in [*manifest.steps, *manifest.undo] if step.ask is not None]
    found = {}
    for step, text in _pairs(given, "--answer", "STEP=yes").items():
        if step not in asking or text.lower() not in YES_NO:
            raise UsageError(
                "answer_unknown",
                _("'{step}={text}' answers nothing that is asked.").format(step=step, text=text),
                _("Answer yes or no to: {names}.").format(names=", ".join(asking) or _("nothing is asked")),
            )
        found[step] = YES_NO[text.lower()]
    return found


def answerer(terminal: Terminal, working: Working, given: Mapping[str, bool]) -> Callable[[Step, str], bool | None]:
    """Answers as told beforehand, else asks the person; None where there is nobody."""

    def answer(step: Step, question: str) -> bool | None:
        if step.id in given:
            return given[step.id]
        with working.paused():
            return terminal.confirm(question)

    return answer


def input_files(given: Sequence[str], folder: Path | None) -> dict[str, bytes]:
    """Files to lie below ``work/`` before the first step: ``--file work/x=FILE`` and everything in ``--work-in``."""
    sources = dict(_below(folder)) if folder is not None else {}
    sources |= {target: Path(source) for target, source in _pairs(given, "--file", "work/PATH=FILE").items()}
    found: dict[str, bytes] = {}
    total = 0
    for target, source in sources.items():
        if not target.startswith("work/") or ".." in target.split("/") or "//" in target or target.endswith("/"):
            raise UsageError(
                "input_misplaced",
                _("'{target}' is not below work/.").format(target=target),
                _("Write it as --file work/PATH=FILE."),
            )
        found[target] = _content(source)
        total += len(found[target])
        if total > INPUT_BYTES_LIMIT:
            raise UsageError(
                "input_too_large",
                _("The input files are larger than 64 MiB together."),
                _("Give fewer or smaller files."),
            )
    return found


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Plain files only: a link could lead to what was not meant to be given."""
    if not folder.is_dir():
        raise UsageError("input_missing", _("{path} is no folder.").format(path=folder), _("Check its name."))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield f"work/{path.relative_to(folder).as_posix()}", path


def _content(source: Path) -> bytes:
    try:
        with source.open("rb") as file:
            return file.read(INPUT_BYTES_LIMIT + 1)
    except OSError as error:
        raise UsageError(
            "input_missing",
            _("{path} cannot be read: {why}.").format(path=source, why=error.strerror),
            _("Check its name and its permissions."),
        ) from error
