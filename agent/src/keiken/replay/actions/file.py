"""``file``: write, fill in a template, patch or remove one file; carried out from outside, never through a link."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from keiken.errors import Failed, KeikenError
from keiken.i18n import _
from keiken.package.manifest import FileAction, Step
from keiken.replay.actions.base import ActionResult, Job, refused

_FIELD = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")


class File:
    def describe(self, step: Step, fill: Callable[[str], str]) -> str:
        action = _action(step)
        return f"{action.kind} {fill(action.path)}"

    def words(self, step: Step, fill: Callable[[str], str]) -> list[str]:
        return [_action(step).kind, fill(_action(step).path)]

    def perform(self, step: Step, job: Job) -> ActionResult:
        action = _action(step)
        path = job.fill(action.path)
        if not job.may_write(path):
            return refused("write_not_permitted", step, path)
        try:
            if action.kind == "remove":
                job.sandbox.remove(path)
            else:
                current = job.sandbox.read(path)
                content = _content(action, job, path)
                mode = action.mode or (current.kind == "file" and current.mode) or "0644"
                job.sandbox.write(path, content, int(mode, 8))
        except Failed as error:
            message = _("Step '{step}': {why}").format(step=step.id, why=error.message)
            problem = KeikenError(error.code, message, error.advice)
            return ActionResult(result={"path": path, "error": error.code}, problem=problem)
        return ActionResult(result={"path": path, "error": ""})

    def hollow(self, step: Step) -> Mapping[str, Any]:
        return {"path": _action(step).path, "error": ""}


def _action(step: Step) -> FileAction:
    assert step.file is not None
    return step.file


def _content(action: FileAction, job: Job, path: str) -> bytes:
    if action.kind == "patch":
        return _patched(action, job, path)
    if action.content is not None:
        return job.fill(action.content).encode()
    source = _read(job, action.source or "")
    if action.kind == "write":
        return source
    values = {name: job.fill(value) for name, value in action.values.items()}

    def value_of(match: re.Match[str]) -> str:
        if match.group(1) not in values:
            message = _("{file} needs a value for '{name}'.").format(file=action.source, name=match.group(1))
            raise Failed("template_value_missing", message, _("Give it under the step's 'values'."))
        return values[match.group(1)]

    return _FIELD.sub(value_of, _decoded(source, action.source or "")).encode()


def _patched(action: FileAction, job: Job, path: str) -> bytes:
    """Each text must stand there exactly as often as the step says, or nothing is written."""
    text = _decoded(_read(job, path), path)
    for replacement in action.replacements:
        find, replace = job.fill(replacement.find), job.fill(replacement.replace)
        found = text.count(find)
        if found != replacement.count:
            message = _("{path} holds the text to replace {found} times, not {count} times.")
            raise Failed(
                "patch_does_not_fit",
                message.format(path=path, found=found, count=replacement.count),
                _("The file is not the one that the step was written for; nothing was changed in it."),
            )
        text = text.replace(find, replace)
    return text.encode()


def _read(job: Job, path: str) -> bytes:
    state = job.sandbox.read(path)
    if state.content is None:
        raise Failed(
            "file_not_read",
            _("{path} is no plain file, or too large.").format(path=path),
            _("A file action works on plain files up to 8 MiB."),
        )
    return state.content


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Failed(
            "file_not_text",
            _("{path} is not UTF-8 text.").format(path=path),
            _("Convert it first, for example with iconv."),
        ) from None
