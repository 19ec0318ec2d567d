"""Carrying out a mutant: the replay as it is, but for one wrong effect."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keiken.errors import Failed
from keiken.package.manifest import Step
from keiken.replay.actions import ActionResult
from keiken.replay.state import FILES_LIMIT, READ_BYTES_LIMIT
from keiken.replay.tamper import Holds
from keiken.sandbox.protocol import FileState, Sandbox
from keiken.strength.bytes import with_byte_changed, wrong_value
from keiken.strength.observe import Effect, Shadows, watched
from keiken.strength.record import MutantRecord

FILES_CHANGED = 200
"""Of a step that changed more files, so many are spoiled."""

_SPOIL: Mapping[str, Callable[[bytes], bytes | None]] = {
    "emptied": lambda content: b"" if content else None,
    "truncated": lambda content: content[: len(content) // 2] if len(content) > 1 else None,
    "byte_changed": with_byte_changed,
}


class Spoiler(Shadows):
    """One mutant. The proposed checks are asked on the way, without changing anything."""

    def __init__(self, mutant: MutantRecord, effect: Effect, at_step: Sequence[str], at_end: list[str]) -> None:
        super().__init__({mutant.step: list(at_step)}, at_end)
        self._mutant, self._looked, self._busy = mutant, watched(effect), effect.busy
        self._before: dict[str, FileState] = {}
        self.was_applied = False
        self.reached_step = self.reached_end = False

    def leaves_out(self, step: Step) -> bool:
        if self._mutant.kind != "omit" or step.id != self._mutant.step:
            return False
        self.was_applied = True
        return True

    def begins(self, step: Step, sandbox: Sandbox) -> None:
        if step.id == self._mutant.step and (self._mutant.kind == "undo" or self._mutant.target == "files"):
            self._before = _states(sandbox)

    def acted(self, step: Step, sandbox: Sandbox, result: ActionResult) -> ActionResult:
        if step.id != self._mutant.step or self._mutant.kind == "omit":
            return result
        if self._mutant.kind == "undo":
            self._undo(sandbox)
        elif self._mutant.target in result.result:
            return self._silenced(result)
        elif not self._mutant.target.startswith("outputs."):
            self._spoil(sandbox)
        return result

    def told(self, step: Step, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        name = self._mutant.target.removeprefix("outputs.")
        if step.id != self._mutant.step or name == self._mutant.target or name not in outputs:
            return outputs
        wrong = wrong_value(outputs[name])
        self.was_applied = wrong is not None
        return {**outputs, name: wrong} if self.was_applied else outputs

    def held(self, step: Step, holds: Holds) -> None:
        self.reached_step |= step.id == self._mutant.step
        super().held(step, holds)

    def ended(self, holds: Holds) -> None:
        self.reached_end = True
        super().ended(holds)

    def _silenced(self, result: ActionResult) -> ActionResult:
        """As if it had printed or answered nothing."""
        self.was_applied = True
        target = self._mutant.target
        changed: dict[str, Any] = {**result.result, target: ""}
        if target == "body":
            changed["json"] = None
        return replace(result, result=changed)

    def _undo(self, sandbox: Sandbox) -> None:
        for path in self._changed(_states(sandbox))[:FILES_CHANGED]:
            self._put(sandbox, path, self._before.get(path))

    def _put(self, sandbox: Sandbox, path: str, state: FileState | None) -> None:
        # What a folder or a running service keeps us from is not undone; the mutant is void when nothing was.
        with contextlib.suppress(Failed):
            if state is None:
                sandbox.remove(path)
            elif state.content is None:
                return
            else:
                sandbox.write(path, state.content, int(state.mode, 8))
            self.was_applied = True

    def _spoil(self, sandbox: Sandbox) -> None:
        paths = [self._mutant.target] if self._mutant.target != "files" else self._unwatched(sandbox)
        for path in paths[:FILES_CHANGED]:
            state = sandbox.read(path)
            wrong = None if state.content is None else _SPOIL[self._mutant.how](state.content)
            if wrong is not None:
                self._put(sandbox, path, replace(state, content=wrong, size=len(wrong)))

    def _unwatched(self, sandbox: Sandbox) -> list[str]:
        """What the step made or changed and no check looked at."""
        now = _states(sandbox)
        return [path for path in self._changed(now) if path in now and path not in self._looked]

    def _changed(self, now: Mapping[str, FileState]) -> list[str]:
        both = sorted(self._before.keys() | now.keys())
        return [path for path in both if self._before.get(path) != now.get(path) and path not in self._busy]


def _states(sandbox: Sandbox) -> dict[str, FileState]:
    found: dict[str, FileState] = {}
    read_bytes = 0
    for path in sandbox.paths("work/**")[:FILES_LIMIT]:
        if read_bytes > READ_BYTES_LIMIT:
            break
        state = sandbox.read(path)
        if state.kind == "file":
            found[path] = state
            read_bytes += len(state.content or b"")
    return found
