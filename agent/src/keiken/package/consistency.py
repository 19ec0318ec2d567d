"""What one part of ``experience.yaml`` says about another, and about the files beside it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from keiken import conditions
from keiken.errors import KeikenError, PackageError
from keiken.i18n import _
from keiken.package import expressions, globs, names, parameters
from keiken.package.manifest import FileAction, Manifest, Scenario
from keiken.package.yaml import Path

_HOST = re.compile(r"^(\*\.)?[A-Za-z0-9_.-]+:(\*|[1-9][0-9]{0,4})$|^\[[0-9A-Fa-f:]+\]:(\*|[1-9][0-9]{0,4})$")
_COMMAND = re.compile(r"^/?[A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+)*$")
DEFAULT_WRITE = ["work/**"]


@dataclass(frozen=True)
class Problem:
    """``path`` is where in experience.yaml, ``why`` a plain sentence without the place."""

    path: Path
    code: str
    why: str


def problems(manifest: Manifest, files: Collection[str]) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for rule in RULES:
        yield from rule(manifest, files)


def _texts(manifest: Manifest, _files: Collection[str]) -> Iterator[Problem]:
    """What is shown to people must read as it is stored: nothing that moves a cursor or turns the direction."""
    shown: list[tuple[Path, str]] = [(("title",), manifest.title), (("summary",), manifest.summary)]
    for kind in ("steps", "undo"):
        for index, step in enumerate(getattr(manifest, kind)):
            shown += [((kind, index, "title"), step.title or ""), ((kind, index, "ask"), step.ask or "")]
    shown += [(("scenarios", index, "name"), s.name) for index, s in enumerate(manifest.scenarios)]
    for path, text in shown:
        if any(unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\u200c\u200d" for c in text):
            why = _("{name} holds control or invisible characters").format(name=path[-1])
            yield Problem(path, "manifest_invalid", why)


def _conditions(manifest: Manifest, _files: Collection[str]) -> Iterator[Problem]:
    for key, value in manifest.conditions.items():
        try:
            conditions.parse({key: value})
        except PackageError as error:
            yield Problem(("conditions", key), "condition_invalid", error.message)


def _parameters(manifest: Manifest, _files: Collection[str]) -> Iterator[Problem]:
    for name, schema in manifest.parameters.items():
        if problem := parameters.schema_problem(schema):
            why = _("parameter '{name}': {why}").format(name=name, why=problem)
            yield Problem(("parameters", name), "parameter_schema_invalid", why)


def _license(manifest: Manifest, files: Collection[str]) -> Iterator[Problem]:
    try:
        canonicalize_license_expression(manifest.license)
    except InvalidLicenseExpression:
        why = _("'{id}' is no SPDX license expression (spdx.org/licenses)").format(id=manifest.license)
        yield Problem(("license",), "license_invalid", why)
        return
    if "LicenseRef-" in manifest.license and not any(_is_license_text(path) for path in files):
        why = _("'{id}' needs its text in a file LICENSE in the package").format(id=manifest.license)
        yield Problem(("license",), "license_text_missing", why)


def _is_license_text(path: str) -> bool:
    return path.split("/")[-1].upper().startswith(("LICENSE", "LICENCE", "LICENSEREF-"))


def _permissions(manifest: Manifest, _files: Collection[str]) -> Iterator[Problem]:
    permissions = manifest.permissions
    for group, values, judge in (
        ("commands", permissions.commands, _command_problem),
        ("write", permissions.write, _write_problem),
        ("network", permissions.network, _network_problem),
    ):
        for index, value in enumerate(values):
            if why := judge(value):
                yield Problem(("permissions", group, index), "permission_invalid", f"'{value}' {why}")


def _command_problem(command: str) -> str | None:
    if not _COMMAND.fullmatch(command) or ".." in command.split("/"):
        return _("is no command; give its name, an absolute path or a script of the package")
    return None


def _write_problem(pattern: str) -> str | None:
    parts = pattern.removeprefix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or not pattern.isprintable() or "\\" in pattern:
        return _("is no pattern of paths such as work/** or /etc/nginx/**")
    if any(mark in parts[0] for mark in "*?["):
        return _("is too wide; name the folder")
    if not pattern.startswith("/") and parts[0] != "work":
        return _("is outside work/, the only folder of a replay that can be written")
    return None


def _network_problem(pattern: str) -> str | None:
    port = pattern.rpartition(":")[2]
    if not _HOST.fullmatch(pattern) or (port.isdigit() and int(port) > 65535):
        return _("is no host and port such as api.example.com:443")
    return None


def _checks(manifest: Manifest, _files: Collection[str]) -> Iterator[Problem]:
    for found in expressions.checks(manifest):
        if why := _lint(found.text):
            yield Problem(found.path, "check_invalid", why)
            continue
        for root, name, output in expressions.references(found.text):
            if root == "result" and found.result is not None and name not in found.result:
                why = _("'result.{name}' is not among the results").format(name=name)
                yield Problem(found.path, "check_invalid", why)
            elif root != "result" and (why := _unknown(manifest, found, root, name, output)):
                yield Problem(found.path, "check_invalid", why)


def _templates(manifest: Manifest, _files: Collection[str]) -> Iterator[Problem]:
    for text in expressions.texts(manifest):
        found, all_closed = expressions.templates(text.text)
        if not all_closed:
            yield Problem(text.path, "template_invalid", _("'${{' has no '}}' after it"))
        for expression in found:
            if why := _template_problem(manifest, text, expression):
                yield Problem(text.path, "template_invalid", why)


def _template_problem(manifest: Manifest, text: expressions.Text, expression: str) -> str | None:
    if secret := expressions.SECRET.fullmatch(expression):
        return _unknown(manifest, text, "secrets", secret.group(1), "")
    if why := _lint(expression):
        return why
    for root, name, output in expressions.references(expression):
        if root == "result":
            return _("'result' is not known yet where values are filled in")
        if why := _unknown(manifest, text, root, name, output):
            return why
    return None


def _lint(expression: str) -> str | None:
    # The checks start a worker and load a compiled library: only where a package is really looked at.
    from keiken.checks import lint

    try:
        lint(expression)
    except KeikenError as error:
        return error.message.rstrip(".")
    return None


def _unknown(
    manifest: Manifest, place: expressions.Found | expressions.Text, root: str, name: str, output: str
) -> str | None:
    """Why what an expression names is not there."""
    if root == "parameters":
        return None if name in manifest.parameters else _("there is no parameter '{name}'").format(name=name)
    if root == "secrets":
        return None if name in manifest.secrets else _("'{name}' is not among the secrets").format(name=name)
    if name not in place.steps:
        return _("there is no step '{name}' before it").format(name=name)
    if output and output not in place.steps[name].outputs:
        return _("step '{name}' has no output '{output}'").format(name=name, output=output)
    return None


def _file_actions(manifest: Manifest, files: Collection[str]) -> Iterator[Problem]:
    allowed = manifest.permissions.write or DEFAULT_WRITE
    for kind in ("steps", "undo"):
        for index, step in enumerate(getattr(manifest, kind)):
            if step.file is not None:
                yield from _file_action(step.file, (kind, index, "file"), files, allowed)


def _file_action(action: FileAction, path: Path, files: Collection[str], allowed: list[str]) -> Iterator[Problem]:
    target = action.path
    parts = target.removeprefix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or not target.isprintable():
        why = _("'{path}' leads elsewhere").format(path=names.shown(target))
        yield Problem((*path, action.kind), "file_path_invalid", why)
    elif "${{" not in target and not any(globs.matches(pattern, target) for pattern in allowed):
        why = _("'{path}' is outside what permissions.write names").format(path=target)
        yield Problem((*path, action.kind), "file_path_invalid", why)
    source = action.source
    if source is not None and "${{" not in source and source not in files and not source.startswith("work/"):
        why = _("the package has no file '{path}'").format(path=names.shown(source))
        yield Problem((*path, "source"), "asset_missing", why)


def _scenarios(manifest: Manifest, files: Collection[str]) -> Iterator[Problem]:
    for index, scenario in enumerate(manifest.scenarios):
        path: Path = ("scenarios", index)
        yield from _scenario_files(scenario, path, files)
        yield from _scenario_values(manifest, scenario, path)


def _scenario_files(scenario: Scenario, path: Path, files: Collection[str]) -> Iterator[Problem]:
    for target, source in scenario.files.items():
        if source not in files:
            why = _("the package has no file '{path}'").format(path=names.shown(source))
            yield Problem((*path, "files", target), "asset_missing", why)
        if any(part in ("", ".", "..") for part in target.split("/")) or not globs.matches("work/**", target):
            why = _("'{path}' is not below work/").format(path=names.shown(target))
            yield Problem((*path, "files", target), "file_path_invalid", why)


def _scenario_values(manifest: Manifest, scenario: Scenario, path: Path) -> Iterator[Problem]:
    for name in scenario.secrets:
        if name not in manifest.secrets:
            why = _("'{name}' is not among the secrets").format(name=name)
            yield Problem((*path, "secrets", name), "scenario_invalid", why)
    for key, value in scenario.facts.items():
        if problem := conditions.fact_problem(key, value):
            yield Problem((*path, "facts", key), "scenario_invalid", problem)
    if scenario.outcome == "refused":
        return  # its values may be wrong: that may be why it is refused
    for name in manifest.secrets:
        if name not in scenario.secrets:
            why = _("scenario '{scenario}' gives no secret '{name}'").format(scenario=scenario.name, name=name)
            yield Problem((*path, "secrets"), "scenario_invalid", why)
    yield from _scenario_parameters(manifest, scenario, path)


def _scenario_parameters(manifest: Manifest, scenario: Scenario, path: Path) -> Iterator[Problem]:
    for name, value in scenario.parameters.items():
        if why := _value_problem(manifest, name, value):
            text = _("scenario '{scenario}', parameter '{name}': {why}")
            text = text.format(scenario=scenario.name, name=name, why=why)
            yield Problem((*path, "parameters", name), "scenario_invalid", text)
    for name, schema in manifest.parameters.items():
        if "default" not in schema and name not in scenario.parameters:
            text = _("scenario '{scenario}' gives no parameter '{name}'").format(scenario=scenario.name, name=name)
            yield Problem((*path, "parameters"), "scenario_invalid", text)


def _value_problem(manifest: Manifest, name: str, value: object) -> str | None:
    schema = manifest.parameters.get(name)
    if schema is None:
        return _("there is no parameter '{name}'").format(name=name)
    if parameters.schema_problem(schema):
        return None  # told where the schema stands
    return parameters.value_problem(schema, value)


RULES: tuple[Callable[[Manifest, Collection[str]], Iterator[Problem]], ...] = (
    _texts,
    _conditions,
    _parameters,
    _license,
    _permissions,
    _checks,
    _templates,
    _file_actions,
    _scenarios,
)
