"""Reading a package: every file looked at without following links, every rule checked, every refusal with its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package import consistency, skill, tree, yaml
from keiken.package.consistency import Problem
from keiken.package.manifest import Manifest
from keiken.package.rules import refusal
from keiken.package.sentences import path_of, sentence

MANIFEST, SKILL = "experience.yaml", skill.FILE
_PROBLEMS_SHOWN = 50


@dataclass(frozen=True)
class Package:
    """An experience as it lies in a folder. ``files`` maps paths to sizes in bytes."""

    folder: Path
    manifest: Manifest
    skill: skill.Skill
    files: Mapping[str, int]
    digest: str = ""
    """``sha256:…`` of the archive it came from; empty for a folder that was never packed."""
    lines: yaml.Document | None = None
    """Where each key of experience.yaml stands."""

    def with_digest(self, digest: str) -> Package:
        return replace(self, digest=digest)

    def line(self, *path: str | int) -> int | None:
        """The line of a key in experience.yaml, or of the nearest thing around it."""
        return self.lines.line(path) if self.lines else None

    def read(self, path: str) -> bytes:
        """One of ``files``, read without following links. Raises PackageError if it is no plain file any more."""
        return tree.read(self.folder, path)


def load(folder: Path) -> Package:
    """Read and check a package folder, whatever it is called. Raises PackageError.

    ``details["problems"]`` of the error lists all that is wrong with experience.yaml, the first one first.
    """
    return check(tree.files(folder, with_content=lambda path: path in (MANIFEST, SKILL)), folder)


def check(files: Mapping[str, tree.File], folder: Path) -> Package:
    """The package made of these files. Only the content of experience.yaml and SKILL.md is needed."""
    document = yaml.parse(_content(files, MANIFEST, "manifest_missing"), MANIFEST)
    manifest = _manifest(document)
    level2 = skill.parse(_content(files, SKILL, "skill_missing"))
    if level2.name != manifest.name:
        why = _("the name '{skill}' is not that of experience.yaml, '{manifest}'")
        text = why.format(skill=level2.name, manifest=manifest.name)
        raise refusal("skill_invalid", text, file=SKILL, line=level2.name_line, advice=_("Make them equal."))
    if found := list(consistency.problems(manifest, files)):
        raise _refusal(document, found)
    sizes = {path: file.size for path, file in sorted(files.items())}
    return Package(folder=folder, manifest=manifest, skill=level2, files=sizes, lines=document)


def _content(files: Mapping[str, tree.File], name: str, code: str) -> bytes:
    file = files.get(name)
    if file is None or file.content is None:
        advice = _("'keiken init' makes a package to start from.")
        raise refusal(code, _("there is no such file in the package"), file=name, advice=advice)
    return file.content


def _manifest(document: yaml.Document) -> Manifest:
    if not isinstance(document.value, dict):
        raise refusal("manifest_invalid", _("it must be a mapping"), file=MANIFEST, line=1)
    try:
        return Manifest.model_validate(document.value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise _refusal(document, [Problem(path_of(e), "manifest_invalid", sentence(e)) for e in errors]) from None


def _refusal(document: yaml.Document, found: list[Problem]) -> PackageError:
    """The first problem by line is the refusal; the others stand in its details."""
    ordered = sorted(found, key=lambda problem: document.line(problem.path) or 1)
    first = ordered[0]
    advice = _("docs/format.md describes each key.")
    error = refusal(first.code, first.why, file=MANIFEST, line=document.line(first.path) or 1, advice=advice)
    error.details["problems"] = [
        {"rule": problem.code, "line": document.line(problem.path) or 1, "message": problem.why}
        for problem in ordered[:_PROBLEMS_SHOWN]
    ]
    return error
