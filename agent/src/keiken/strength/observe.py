"""What the steps of a scenario really do: what they change, print and give, and what checks look at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keiken.package.manifest import Step
from keiken.replay.actions import ActionResult
from keiken.replay.state import FILES_LIMIT, READ_BYTES_LIMIT
from keiken.replay.tamper import Holds, Untouched
from keiken.sandbox.protocol import Sandbox

TEXT_FIELDS = ("stdout", "stderr", "body")
FILES_ALONE = 4
"""So many files of one step are each spoiled alone; the others that checks look at count as by-products."""
KEPT_FILE_BYTES = 256 << 10
KEPT_BYTES = 64 << 20
"""Contents beyond these are known by digest only: hundreds of steps may each write the whole work folder."""


@dataclass(frozen=True)
class Seen:
    """A plain file as it was at one moment."""

    size: int
    mode: str
    digest: str
    """Empty where the file could not be read."""


Snapshot = dict[str, Seen]


def differing(before: Snapshot, after: Snapshot) -> list[str]:
    """Paths made, changed in content or mode, or removed; sorted."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


class Contents:
    """Snapshots of ``work/``, and the contents of what was seen in them, as far as they are kept."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._bytes = 0

    def snapshot(self, sandbox: Sandbox) -> Snapshot:
        found: Snapshot = {}
        read_bytes = 0
        for path in sandbox.paths("work/**")[:FILES_LIMIT]:
            if read_bytes > READ_BYTES_LIMIT:
                break
            state = sandbox.read(path)
            if state.kind == "file":
                found[path] = Seen(state.size, state.mode, self._keep(state.content))
                read_bytes += len(state.content or b"")
        return found

    def _keep(self, content: bytes | None) -> str:
        if content is None:
            return ""
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._kept and len(content) <= KEPT_FILE_BYTES and self._bytes < KEPT_BYTES:
            self._kept[digest] = content
            self._bytes += len(content)
        return digest

    def of(self, seen: Seen) -> bytes | None:
        return self._kept.get(seen.digest)


@dataclass
class Effect:
    """What one step did when it was carried out as written."""

    step: Step
    before: Snapshot = field(default_factory=dict)
    after: Snapshot = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    looked_later: set[str] = field(default_factory=set)
    """Files that a check looked at after the step's action."""

    busy: set[str] = field(default_factory=set)
    """Files that something else writes, too; shared by all steps of a run."""

    @property
    def changed(self) -> list[str]:
        """What it made, changed or removed. What also changes while no step is carried out is a service's own."""
        return [path for path in differing(self.before, self.after) if path not in self.busy]

    @property
    def written(self) -> dict[str, Seen]:
        """The files it made or changed that can be read."""
        return {path: self.after[path] for path in self.changed if path in self.after and self.after[path].digest}


def watched(effect: Effect) -> frozenset[str]:
    """The files of this step that a check looked at afterwards: each is spoiled alone, every other one together."""
    return frozenset(sorted(effect.looked_later & effect.written.keys())[:FILES_ALONE])


class Observer(Untouched):
    """Watches a replay as it is. ``effects`` has the steps whose action ended, in their order."""

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.contents = Contents()
        self._before: Snapshot = {}
        self._busy: set[str] = set()

    def begins(self, step: Step, sandbox: Sandbox) -> None:
        self._before = self.contents.snapshot(sandbox)
        if self.effects:
            self._busy |= set(differing(self.effects[-1].after, self._before))

    def acted(self, step: Step, sandbox: Sandbox, result: ActionResult) -> ActionResult:
        if not self.effects or self.effects[-1].step.id != step.id:
            self.effects.append(Effect(step, before=self._before, busy=self._busy))
        effect = self.effects[-1]
        effect.after, effect.result = self.contents.snapshot(sandbox), dict(result.result)
        return result

    def told(self, step: Step, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
        self.effects[-1].outputs = dict(outputs)
        return outputs

    def looked(self, path: str) -> None:
        for effect in self.effects:
            effect.looked_later.add(path)


class Shadows(Untouched):
    """Asks of a replay as it is which of the proposed checks hold in it."""

    def __init__(self, at_steps: Mapping[str, list[str]], at_end: list[str]) -> None:
        self._at_steps, self._at_end = at_steps, at_end
        self.holding: set[tuple[str, str]] = set()
        """(step, check); the step is empty for checks of the scenario."""

    def held(self, step: Step, holds: Holds) -> None:
        self.holding |= {(step.id, check) for check in self._at_steps.get(step.id, ()) if holds(check)}

    def ended(self, holds: Holds) -> None:
        self.holding |= {("", check) for check in self._at_end if holds(check)}
