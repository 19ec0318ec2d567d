"""Which wrong effects a scenario is tried with. Made are only those that make a difference a check could see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from keiken.package.manifest import Manifest, Scenario
from keiken.replay.checking import mentions
from keiken.replay.stepping import IMPLIED
from keiken.replay.template import PATTERN
from keiken.strength.bytes import wrong_value
from keiken.strength.observe import TEXT_FIELDS, Effect, watched
from keiken.strength.record import How, MutantRecord

WAYS: tuple[How, ...] = ("emptied", "truncated", "byte_changed")


def key(mutant: MutantRecord) -> str:
    """The same mutant in another scenario has the same key."""
    return f"{mutant.kind}:{mutant.step}:{mutant.target}:{mutant.how}"


def sample(mutants: Sequence[MutantRecord], limit: int, seed: str) -> list[MutantRecord]:
    """At most ``limit`` of them, by lot that always falls the same way for the same package."""

    def lot(mutant: MutantRecord) -> str:
        return hashlib.sha256(f"{seed}\n{key(mutant)}".encode()).hexdigest()

    return sorted(mutants, key=lot)[:limit]


def mutants_of(manifest: Manifest, scenario: Scenario, effects: Sequence[Effect]) -> list[MutantRecord]:
    """All mutants of the steps that were carried out. ``effects`` is what they did as written."""
    made = []
    for effect in effects:
        for kind, target, how in _of_step(manifest, scenario, effect):
            made.append(
                MutantRecord.model_validate(
                    {"kind": kind, "step": effect.step.id, "target": target, "how": how, "scenario": scenario.name}
                )
            )
    return made


def _of_step(manifest: Manifest, scenario: Scenario, effect: Effect) -> Iterator[tuple[str, str, How]]:
    step = effect.step
    # A question changes nothing and is answered the same; neither does a file action that found its work done.
    if step.action not in ("ask", "file") or effect.changed:
        yield "omit", "", "left_out"
    if effect.changed:
        yield "undo", "", "undone"
    for name in TEXT_FIELDS:
        if effect.result.get(name) and _is_read(effect, name):
            yield "corrupt", name, "emptied"
    for name, value in effect.outputs.items():
        if _is_used(manifest, scenario, step.id, name) and wrong_value(value) is not None:
            yield "corrupt", f"outputs.{name}", "value_changed"
    yield from _of_files(effect)


def _of_files(effect: Effect) -> Iterator[tuple[str, str, How]]:
    written = {path: seen for path, seen in effect.written.items() if seen.size}
    alone = watched(effect)
    for path in sorted(alone & written.keys()):
        for how in WAYS:
            if how != "truncated" or written[path].size > 1:
                yield "corrupt", path, how
    if written.keys() - alone:
        yield "corrupt", "files", "byte_changed"


def _is_read(effect: Effect, name: str) -> bool:
    """Whether the step's own checks or outputs read this field; nothing else can."""
    implied = [IMPLIED[effect.step.action]] if effect.step.action in IMPLIED else []
    expressions = [*implied, *effect.step.expect, *effect.step.outputs.values()]
    return mentions(expressions, name) or (name == "body" and mentions(expressions, "json"))


def _is_used(manifest: Manifest, scenario: Scenario, step_id: str, name: str) -> bool:
    """Whether anything but the step itself names this output."""
    texts = [*manifest.invariants, *manifest.result.values(), *scenario.expect]
    for step in manifest.steps:
        if step.id != step_id:
            texts += [*step.requires, *step.expect, *step.outputs.values(), step.when or ""]
            texts += PATTERN.findall(
                step.model_dump_json(exclude={"requires", "expect", "outputs", "when"}).replace('\\"', '"')
            )
    needles = (f"steps.{step_id}.outputs.{name}", f"steps['{step_id}']", f'steps["{step_id}"]', f"{step_id}['outputs']")
    return any(needle in text for text in texts for needle in needles)
