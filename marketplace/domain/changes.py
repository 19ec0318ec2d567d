"""What is not the same in two versions of an experience, as somebody who uses it wants to know it. Pure.

Steps are matched by their id, parameters and conditions by their name, permissions one by one; texts line by line as
``diff -u`` does. An **effect** is what a change means for whoever used the version before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Final, Literal, get_args

from keiken.conditions import parse
from marketplace.domain.command_lines import command_line

Kind = Literal["added", "removed", "changed", "moved"]
Sign = Literal["+", "-", " ", "…"]
Effect = Literal[
    "asks_more", "asks_less", "holds_wider", "holds_narrower", "must_be_given", "refuses_old", "checks_less"
]
SectionName = Literal[
    "permissions", "conditions", "parameters", "steps", "undo", "checks", "scenarios", "license", "terms", "words"
]

SECTIONS: Final[tuple[SectionName, ...]] = get_args(SectionName)
"""What may be done to a machine first, words last."""
CONTEXT_LINES: Final = 2
COMPARED_LINES: Final = 1_000
"""Longer texts are not compared line by line: that takes time with the square of their length."""
SHOWN_LINES: Final = 200
LINE_CHARACTERS: Final = 2_000
STEP_KEYS: Final = ("title", "run", "shell", "http", "file", "ask", "stdin", "env", "when", "requires", "expect")
"""What a step says first; the rest follows in the order of the alphabet."""
PERMISSION_KINDS: Final = ("commands", "write", "network", "tools")


@dataclass(frozen=True, slots=True)
class Line:
    """``+`` is new, ``-`` is gone, a space stands in both; ``…`` leaves lines out."""

    sign: Sign
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``what`` is a name out of the packages: of a step, a parameter, a fact, a kind of permission."""

    kind: Kind
    what: str
    lines: tuple[Line, ...] = ()
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One version, as far as it is compared: its manifest and the text of its SKILL.md."""

    manifest: Mapping[str, Any]
    skill: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer as its readers know it, and whether it is for the one and for the other version."""

    name: str
    text: str
    for_old: bool
    for_new: bool


def changes(old: Document, new: Document, offers: Iterable[Offered] = ()) -> dict[SectionName, list[Change]]:
    """Each section that differs, in the order of ``SECTIONS``. Empty for two that do and say the same."""
    before, after = old.manifest, new.manifest
    found: dict[SectionName, list[Change]] = {
        "permissions": _permissions(before, after),
        "conditions": _conditions(before, after),
        "parameters": _parameters(before.get("parameters") or {}, after.get("parameters") or {}),
        "steps": _steps(before.get("steps") or [], after.get("steps") or []),
        "undo": _steps(before.get("undo") or [], after.get("undo") or []),
        "checks": [
            *_texts("invariants", before.get("invariants") or [], after.get("invariants") or [], loss=("checks_less",)),
            *_named(_written(before.get("result")), _written(after.get("result"))),
        ],
        "scenarios": _named(_scenarios(before), _scenarios(after)),
        "license": _named(_of(before, "license"), _of(after, "license")),
        "terms": _terms(offers),
        "words": [
            *_named(_of(before, "title", "summary", "topics"), _of(after, "title", "summary", "topics")),
            *_named({"SKILL.md": old.skill.strip()}, {"SKILL.md": new.skill.strip()}),
        ],
    }
    return {name: found[name] for name in SECTIONS if found[name]}


def shortened(found: Mapping[SectionName, Sequence[Change]], characters: int) -> dict[SectionName, list[Change]]:
    """The same changes with as many of their lines as have room, the first ones first; ``…`` stands for the others."""
    left = characters
    kept: dict[SectionName, list[Change]] = {}
    for name, section in found.items():
        kept[name] = []
        for change in section:
            lines: list[Line] = []
            for line in change.lines:
                left -= len(line.text)
                if left < 0:
                    lines.append(Line("…", ""))
                    break
                lines.append(line)
            kept[name].append(replace(change, lines=tuple(lines)))
    return kept


def text_lines(old: str, new: str) -> tuple[Line, ...]:
    """What changed from one text to another, with two lines around it; at most ``SHOWN_LINES``."""
    before, after = _split(old), _split(new)
    if max(len(before), len(after)) > COMPARED_LINES:
        half = SHOWN_LINES // 2
        return tuple([*_signed("-", before[:half]), Line("…", ""), *_signed("+", after[:half]), Line("…", "")])
    found: list[Line] = []
    for number, group in enumerate(SequenceMatcher(None, before, after).get_grouped_opcodes(CONTEXT_LINES)):
        if number or group[0][1] > 0:
            found.append(Line("…", ""))
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                found += _signed(" ", before[start:end])
            else:
                found += _signed("-", before[start:end])
                found += _signed("+", after[new_start:new_end])
    return tuple(found[:SHOWN_LINES]) + ((Line("…", ""),) if len(found) > SHOWN_LINES else ())


def _split(text: str) -> list[str]:
    return [line[:LINE_CHARACTERS] for line in text.splitlines()]


def _signed(sign: Sign, lines: Iterable[str]) -> list[Line]:
    return [Line(sign, line) for line in lines]


def _permissions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    def allowed(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
        permissions = manifest.get("permissions") or {}
        named = {kind: list(permissions.get(kind) or []) for kind in PERMISSION_KINDS}
        # A job may always write below its own work folder.
        return {**named, "write": named["write"] or ["work/**"], "secrets": list(manifest.get("secrets") or [])}

    old, new = allowed(before), allowed(after)
    return [
        change
        for kind in old
        for change in _texts(kind, old[kind], new[kind], gain=("asks_more",), loss=("asks_less",))
    ]


def _conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    old, new = ({item.key: item.text() for item in parse(side.get("conditions") or {})} for side in (before, after))
    return _named(old, new, gain=("holds_narrower",), loss=("holds_wider",))


def _parameters(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    found = []
    for change in _named(_written(before), _written(after), loss=("refuses_old",)):
        is_asked = change.what in after and "default" not in after[change.what]
        was_asked = change.what in before and "default" not in before[change.what]
        effects: tuple[Effect, ...] = ("must_be_given",) if is_asked and not was_asked else change.effects
        found.append(Change(kind=change.kind, what=change.what, lines=change.lines, effects=effects))
    return found


def _steps(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Change]:
    """In the new order, what is gone last."""
    old, new = ({str(step["id"]): step for step in side} for side in (before, after))
    stayed = _in_order(list(old), list(new))
    found = []
    for name, step in new.items():
        if name not in old:
            found.append(Change(kind="added", what=name, lines=text_lines("", _step_text(step))))
            continue
        lines = text_lines(_step_text(old[name]), _step_text(step))
        if lines:
            effects: tuple[Effect, ...] = ("checks_less",) if _has_lost_checks(old[name], step) else ()
            found.append(Change(kind="changed", what=name, lines=lines, effects=effects))
        if name not in stayed:
            found.append(Change(kind="moved", what=name))
    gone = [name for name in old if name not in new]
    return found + [Change(kind="removed", what=name, lines=text_lines(_step_text(old[name]), "")) for name in gone]


def _in_order(old: list[str], new: list[str]) -> set[str]:
    """Those that stand in the same order in both; of what changed places as few as possible are left out."""
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return {name for block in blocks for name in old[block.a : block.a + block.size]} | (set(new) - set(old))


def _has_lost_checks(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return any(set(old.get(kind) or []) - set(new.get(kind) or []) for kind in ("requires", "expect"))


def _step_text(step: Mapping[str, Any]) -> str:
    """One line for each thing a step says, lists and scripts opened out, so that lines can be compared.

    What is empty says nothing: a stored manifest has a place for everything.
    """
    lines: list[str] = []
    for key in (*STEP_KEYS, *sorted(step.keys() - {*STEP_KEYS, "id"})):
        value = step.get(key)
        if value is None or value == "" or value == [] or value == {}:
            continue
        if isinstance(value, str) and "\n" in value:
            lines += [f"{key}:", *(f"  {line}" for line in value.rstrip().split("\n"))]
        elif isinstance(value, Mapping):
            lines += [f"{key}.{name}: {_text(item)}" for name, item in value.items() if item not in (None, "", [], {})]
        elif key == "run":
            lines.append(f"run: {command_line(value)}")
        elif key in ("requires", "expect"):
            lines += [f"{key}: {item}" for item in value]
        else:
            lines.append(f"{key}: {_text(value)}")
    return "\n".join(lines)


def _terms(offers: Iterable[Offered]) -> list[Change]:
    return [
        Change(
            kind="added" if offer.for_new else "removed",
            what=offer.name,
            lines=(Line("+" if offer.for_new else "-", offer.text),),
        )
        for offer in offers
        if offer.for_old != offer.for_new
    ]


def _scenarios(manifest: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for scenario in manifest.get("scenarios") or []:
        found[str(scenario["name"])] = _step_text({key: item for key, item in scenario.items() if key != "name"})
    return found


def _of(manifest: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: _text(manifest[name]) for name in names if manifest.get(name)}


def _written(values: Mapping[str, Any] | None) -> dict[str, str]:
    """Each value as lines ``name: value``."""
    return {
        name: "\n".join(f"{key}: {_text(item)}" for key, item in value.items())
        if isinstance(value, Mapping)
        else _text(value)
        for name, value in (values or {}).items()
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _named(
    old: Mapping[str, str], new: Mapping[str, str], *, gain: tuple[Effect, ...] = (), loss: tuple[Effect, ...] = ()
) -> list[Change]:
    """By name: those of the new one in its order, then what is gone."""
    found = []
    for name, text in new.items():
        if name not in old:
            found.append(Change(kind="added", what=name, lines=text_lines("", text), effects=gain))
        elif text != old[name]:
            found.append(Change(kind="changed", what=name, lines=text_lines(old[name], text)))
    gone = [name for name in old if name not in new]
    return found + [Change(kind="removed", what=name, lines=text_lines(old[name], ""), effects=loss) for name in gone]


def _texts(
    what: str,
    old: Sequence[str],
    new: Sequence[str],
    *,
    gain: tuple[Effect, ...] = (),
    loss: tuple[Effect, ...] = (),
) -> list[Change]:
    """One change for what a list has gained and one for what it has lost; its order says nothing."""
    added = [item for item in new if item not in old]
    removed = [item for item in old if item not in new]
    found = []
    if added:
        lines = tuple(_signed("+", added))
        found.append(Change(kind="added", what=what, lines=lines, effects=gain))
    if removed:
        lines = tuple(_signed("-", removed))
        found.append(Change(kind="removed", what=what, lines=lines, effects=loss))
    return found
