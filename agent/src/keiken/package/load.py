"""Reading a package folder: every file looked at without following links, every rule checked, every refusal with its line."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import ValidationError

from keiken.checks import lint
from keiken.conditions import parse as parse_conditions
from keiken.errors import KeikenError, PackageError
from keiken.i18n import _
from keiken.package import names, skill, yaml
from keiken.package.manifest import Manifest, Scenario, Step

MANIFEST, SKILL = "experience.yaml", "SKILL.md"
LEFT_OUT = {".git", ".hg", ".svn", "__pycache__", ".DS_Store", ".venv", "node_modules", ".pytest_cache"}
LEFT_OUT_SUFFIXES = ("~", ".swp", ".pyc", ".orig")
_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.S)
_SECRET = re.compile(r"^secrets\.([a-z][a-z0-9_]*)$")


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

    def with_digest(self, digest: str) -> Package:
        return replace(self, digest=digest)


def load(folder: Path) -> Package:
    """Read and check a package folder. Raises PackageError."""
    if not folder.is_dir():
        raise PackageError("package_missing", _("{folder} is no folder.").format(folder=folder))
    files = list_files(folder)
    names.check_collisions(files)
    for name, code in ((MANIFEST, "manifest_missing"), (SKILL, "skill_missing")):
        if name not in files:
            advice = _("'keiken init' makes a package to start from.")
            raise PackageError(
                code, _("There is no {name} in the package.").format(name=name), file=name, advice=advice
            )
    document = yaml.parse((folder / MANIFEST).read_bytes(), MANIFEST)
    manifest = _manifest(document)
    level2 = skill.parse((folder / SKILL).read_bytes())
    if level2.name != manifest.name:
        raise PackageError(
            "skill_invalid",
            _("SKILL.md is named '{skill}', experience.yaml '{manifest}'; they must be equal.").format(
                skill=level2.name, manifest=manifest.name
            ),
            file=SKILL,
            line=2,
        )
    _cross_check(manifest, files, document)
    return Package(folder=folder, manifest=manifest, skill=level2, files=files, lines=document)


def list_files(folder: Path) -> dict[str, int]:
    """Path to size of every file of the package; what editors and version control leave is passed over."""
    files: dict[str, int] = {}
    total = 0
    for path, status in _walk(folder, ""):
        names.check_path(path)
        if stat.S_ISLNK(status.st_mode):
            raise names.path_refusal("entry_link", path, _("links are not allowed"))
        if not stat.S_ISREG(status.st_mode):
            raise names.path_refusal("entry_device", path, _("only plain files and folders are allowed"))
        if status.st_size > names.FILE_BYTES_LIMIT:
            raise names.path_refusal("file_too_large", path, _("a file has at most 8 MiB"))
        total += status.st_size
        files[path] = status.st_size
        if len(files) > names.FILES_LIMIT or total > names.TOTAL_BYTES_LIMIT:
            raise PackageError("package_too_large", _("A package holds at most 2,000 files and 32 MiB."), file=path)
    return dict(sorted(files.items()))


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name in LEFT_OUT or entry.name.endswith(LEFT_OUT_SUFFIXES):
                continue
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{path}/")
            else:
                yield path, entry.stat(follow_symlinks=False)


def _manifest(document: yaml.Document) -> Manifest:
    if not isinstance(document.value, dict):
        raise PackageError("manifest_invalid", _("experience.yaml must be a mapping."), file=MANIFEST, line=1)
    try:
        return Manifest.model_validate(document.value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(part for part in first["loc"] if isinstance(part, str | int))
        where = ".".join(str(part) for part in path)
        raise _refuse(document, path, f"{where}: {first['msg']}" if where else first["msg"]) from None


def _refuse(document: yaml.Document, path: yaml.Path, why: str, code: str = "manifest_invalid") -> PackageError:
    line = document.line(path)
    where = _("experience.yaml, line {line}").format(line=line) if line else MANIFEST
    return PackageError(code, f"{where}: {why}.".replace("..", "."), file=MANIFEST, line=line)


def _cross_check(manifest: Manifest, files: Mapping[str, int], document: yaml.Document) -> None:
    """What one field says about another."""
    try:
        parse_conditions(manifest.conditions)
    except PackageError as error:
        raise _refuse(document, ("conditions", str(error.details.get("file", ""))), error.message, error.code) from None
    _check_parameters(manifest, document)
    _check_license(manifest, files, document)
    for path, expression in _expressions(manifest):
        if secret := _SECRET.match(expression):
            if secret.group(1) not in manifest.secrets:
                why = _("'{name}' is not among the secrets").format(name=secret.group(1))
                raise _refuse(document, path, why)
            continue
        try:
            lint(expression)
        except KeikenError as error:
            raise _refuse(document, path, error.message.rstrip("."), "check_invalid") from None
    for kind in ("steps", "undo"):
        for index, step in enumerate(getattr(manifest, kind)):
            _check_step(step, (kind, index), files, document)
    for index, scenario in enumerate(manifest.scenarios):
        _check_scenario(manifest, scenario, ("scenarios", index), files, document)
    for index, pattern in enumerate(manifest.permissions.write):
        if ".." in pattern.split("/") or pattern in ("/", "/**", "**", "*"):
            why = _("'{pattern}' is too wide; name the folder").format(pattern=pattern)
            raise _refuse(document, ("permissions", "write", index), why)


def _check_parameters(manifest: Manifest, document: yaml.Document) -> None:
    for name, schema in manifest.parameters.items():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
            validator = jsonschema.Draft202012Validator(schema)
            for value in [*schema.get("examples", []), *([schema["default"]] if "default" in schema else [])]:
                validator.validate(value)
        except (jsonschema.SchemaError, jsonschema.ValidationError) as error:
            why = _("the schema of '{name}' does not hold: {why}").format(name=name, why=error.message)
            raise _refuse(document, ("parameters", name), why) from None


def _check_license(manifest: Manifest, files: Mapping[str, int], document: yaml.Document) -> None:
    if manifest.license.startswith("LicenseRef-"):
        if not any(path.split("/")[-1].upper().startswith(("LICENSE", "LICENCE")) for path in files):
            why = _("'{id}' needs its text in a file LICENSE in the package").format(id=manifest.license)
            raise _refuse(document, ("license",), why)
        return
    try:
        canonicalize_license_expression(manifest.license)
    except InvalidLicenseExpression:
        why = _("'{id}' is no SPDX license expression").format(id=manifest.license)
        raise _refuse(document, ("license",), why) from None


def _expressions(manifest: Manifest) -> Iterator[tuple[yaml.Path, str]]:
    """Every check and every value in ``${{ }}`` with the path where it stands."""
    data = manifest.model_dump(exclude_none=True)
    for kind in ("steps", "undo"):
        for index, step in enumerate(data[kind]):
            path: yaml.Path = (kind, index)
            if "when" in step:
                yield (*path, "when"), step["when"]
            for group in ("requires", "expect"):
                yield from (((*path, group, n), text) for n, text in enumerate(step[group]))
            yield from (((*path, "outputs", name), text) for name, text in step["outputs"].items())
    yield from ((("invariants", n), text) for n, text in enumerate(manifest.invariants))
    yield from ((("result", name), text) for name, text in manifest.result.items())
    for index, scenario in enumerate(manifest.scenarios):
        yield from ((("scenarios", index, "expect", n), text) for n, text in enumerate(scenario.expect))
        yield from ((("scenarios", index, "services", n, "ready"), s.ready) for n, s in enumerate(scenario.services))
    yield from _templates(data, ())


def _templates(value: Any, path: yaml.Path) -> Iterator[tuple[yaml.Path, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _templates(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _templates(item, (*path, index))
    elif isinstance(value, str):
        yield from ((path, found.strip()) for found in _TEMPLATE.findall(value))


def _check_step(step: Step, path: yaml.Path, files: Mapping[str, int], document: yaml.Document) -> None:
    if step.file is None:
        return
    if step.file.source is not None and step.file.source not in files and not step.file.source.startswith("work/"):
        why = _("the package has no file '{name}'").format(name=step.file.source)
        raise _refuse(document, (*path, "file", "source"), why)
    if ".." in step.file.path.split("/") or unicodedata.normalize("NFC", step.file.path) != step.file.path:
        why = _("'{name}' leads elsewhere").format(name=step.file.path)
        raise _refuse(document, (*path, "file", step.file.kind), why)


def _check_scenario(
    manifest: Manifest, scenario: Scenario, path: yaml.Path, files: Mapping[str, int], document: yaml.Document
) -> None:
    for target, source in scenario.files.items():
        if source not in files:
            why = _("the package has no file '{name}'").format(name=source)
            raise _refuse(document, (*path, "files", target), why)
        if not target.startswith("work/") or ".." in target.split("/"):
            why = _("'{name}' is not below work/").format(name=target)
            raise _refuse(document, (*path, "files", target), why)
    for name in scenario.secrets:
        if name not in manifest.secrets:
            raise _refuse(document, (*path, "secrets", name), _("'{name}' is not among the secrets").format(name=name))
