"""The static review: what can be said of a package before anything of it runs. One rule, one function, one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from keiken import conditions
from keiken.i18n import _
from keiken.package import expressions, scripts
from keiken.package.load import MANIFEST, SKILL, Package
from keiken.package.manifest import Step

Level = Literal["error", "warning", "notice"]

SECRETS = {
    "AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "Anthropic": r"\bsk-ant-[A-Za-z0-9_-]{20,}",
    "GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b",
    "GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "JSON Web Token": r"\beyJ[A-Za-z0-9_-]{10,200}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,}",
    "Keiken": r"\bkk_[a-z0-9]{8,}_[A-Za-z0-9]{20,}\b",
    "npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "PEM": r"-----BEGIN (?:[A-Z]{1,20} )?PRIVATE KEY-----",
    "PyPI": r"\bpypi-AgEI[A-Za-z0-9_-]{50,}",
    "Slack": r"\bxox[baprs]-[A-Za-z0-9-]{20,}\b",
    "Stripe": r"\b[sr]k_live_[A-Za-z0-9]{20,}\b",
    "URL": r"\b[a-z][a-z0-9+]{1,10}://[^\s/:@'\"<>]{1,64}:[^\s/:@'\"<>${}]{6,64}@[\w.-]{1,64}",
}
HIDDEN = re.compile("[\u200b\u2060-\u2064\ufeff\u00ad\U000e0000-\U000e007f]")
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PER_FILE_LIMIT = 20
"""Findings of one kind in one file; more would only hide the others."""
_TEXT_CHECKED_BYTES = 2 << 20
_ADDS_NOTHING = re.compile(r"^\s*(true|1\s*==\s*1|'[^']*'\s*==\s*'[^']*')\s*$")
_EXIT_ONLY = re.compile(r"^\s*result\.(exit_code|status)\s*(==|!=|<|>|<=|>=|in)\s*[\d\[\], ]+\s*$")
_LOOKS_OUTSIDE = ("file(", "files(", "port(", "result.body", "result.json", "result.stdout", "result.answer", "steps.")


@dataclass(frozen=True)
class Finding:
    """An ``error`` refuses the package; a ``warning`` is shown to buyers; a ``notice`` informs."""

    level: Level
    code: str
    message: str
    file: str = ""
    line: int | None = None


def review(package: Package) -> list[Finding]:
    """All findings, errors first. Raises PackageError where a file is no longer what was loaded."""
    found = [finding for rule in RULES for finding in rule(package)]
    return sorted(found, key=lambda finding: ("error", "warning", "notice").index(finding.level))


def _in_manifest(level: Level, code: str, message: str, line: int | None = None) -> Finding:
    return Finding(level, code, message, MANIFEST, line)


def _steps(package: Package) -> Iterator[tuple[Step, int | None]]:
    for kind in ("steps", "undo"):
        for index, step in enumerate(getattr(package.manifest, kind)):
            yield step, package.line(kind, index)


# --- the files


def _files(package: Package) -> Iterator[Finding]:
    """Each file is read once, for all that is looked for in it."""
    for path in package.files:
        content = package.read(path)
        if scripts.is_binary(content):
            yield from _blob(path, content)
            continue
        text = content[:_TEXT_CHECKED_BYTES].decode("utf-8", "replace")
        yield from _limited(_secrets(path, text))
        yield from _limited(_hidden_characters(path, text))
        yield from _trojan_code(path, text)


def _limited(findings: Iterator[Finding]) -> Iterator[Finding]:
    for count, finding in enumerate(findings):
        if count == PER_FILE_LIMIT:
            return
        yield finding


def _blob(path: str, content: bytes) -> Iterator[Finding]:
    if kind := scripts.executable_kind(content):
        message = _("{path} is a compiled program ({kind}): nobody can read what it does.")
        yield Finding("warning", "binary_program", message.format(path=path, kind=kind), path)
    else:
        yield Finding("notice", "binary_file", _("{path} is no text.").format(path=path), path)


def _secrets(path: str, text: str) -> Iterator[Finding]:
    for kind, pattern in SECRETS.items():
        for match in re.finditer(pattern, text):
            line = _line(text, match.start())
            message = _("{path}, line {line}: this looks like a secret ({kind}). Remove it, and have it revoked.")
            yield Finding("error", "secret_found", message.format(path=path, line=line, kind=kind), path, line)


def _hidden_characters(path: str, text: str) -> Iterator[Finding]:
    for match in BIDI.finditer(text):
        line = _line(text, match.start())
        message = _("{path}, line {line}: the invisible U+{code:04X} turns the direction of the text.")
        code = ord(match.group())
        yield Finding("error", "hidden_character", message.format(path=path, line=line, code=code), path, line)
    if not scripts.is_read_as_code(path, text):
        return
    for match in HIDDEN.finditer(text, 1 if text.startswith("\ufeff") else 0):
        line = _line(text, match.start())
        message = _("{path}, line {line}: the invisible U+{code:04X} does not belong into code or instructions.")
        code = ord(match.group())
        yield Finding("error", "hidden_character", message.format(path=path, line=line, code=code), path, line)


def _trojan_code(path: str, text: str) -> Iterator[Finding]:
    if scripts.is_script(path, text) and (match := scripts.FETCH_AND_RUN.search(text)):
        line = _line(text, match.start())
        message = _("{path}, line {line}: it runs what it fetches, so what is proven here can change tomorrow.")
        yield Finding("warning", "fetches_code", message.format(path=path, line=line), path, line)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# --- permissions


def _undeclared_commands(package: Package) -> Iterator[Finding]:
    declared = set(package.manifest.permissions.commands)
    for step, line in _steps(package):
        if step.run and step.run[0] not in declared:
            message = _("Step '{step}' runs '{command}', which permissions.commands does not name.")
            text = message.format(step=step.id, command=step.run[0])
            yield _in_manifest("error", "command_undeclared", text, line)
        for command in sorted(scripts.commands(step.shell) - declared) if step.shell else ():
            message = _("Step '{step}' seems to use '{command}', which permissions.commands does not name.")
            text = message.format(step=step.id, command=command)
            yield _in_manifest("warning", "command_undeclared_in_script", text, line)


def _unused_commands(package: Package) -> Iterator[Finding]:
    steps = list(_steps(package))
    if any(step.shell for step, _line_number in steps):
        return  # a script may use them in ways that cannot be seen
    used = {step.run[0] for step, _line_number in steps if step.run}
    for index, command in enumerate(package.manifest.permissions.commands):
        if command not in used:
            message = _("'{command}' is permitted, and no step runs it itself.").format(command=command)
            line = package.line("permissions", "commands", index)
            yield _in_manifest("notice", "command_unused", message, line)


def _wide_permissions(package: Package) -> Iterator[Finding]:
    permissions = package.manifest.permissions
    for index, host in enumerate(permissions.network):
        line = package.line("permissions", "network", index)
        yield _in_manifest("notice", "network_permission", _("It asks to reach {host}.").format(host=host), line)
    for index, pattern in enumerate(permissions.write):
        if pattern.startswith("/"):
            line = package.line("permissions", "write", index)
            message = _("It asks to change {pattern} on the machine itself.").format(pattern=pattern)
            yield _in_manifest("warning", "writes_outside_work", message, line)
    for index, command in enumerate(permissions.commands):
        if command.rpartition("/")[2] in scripts.INTERPRETERS:
            line = package.line("permissions", "commands", index)
            message = _("'{command}' can run any program text.").format(command=command)
            yield _in_manifest("notice", "interpreter_permitted", message, line)


def _secrets_in_arguments(package: Package) -> Iterator[Finding]:
    for step, line in _steps(package):
        names = [name for word in step.run or [] for name in expressions.templates(word)[0]]
        if any(expressions.SECRET.fullmatch(name) for name in names):
            message = _("Step '{step}' puts a secret into a command line, where other processes can read it.")
            yield _in_manifest("warning", "secret_in_arguments", message.format(step=step.id), line)


# --- proof


def _scenarios(package: Package) -> Iterator[Finding]:
    outcomes = {scenario.outcome for scenario in package.manifest.scenarios}
    line = package.line("scenarios")
    if "succeeded" not in outcomes:
        message = _("No scenario is to succeed, so nothing can prove that it works.")
        yield _in_manifest("error", "scenario_missing", message, line)
    elif outcomes == {"succeeded"}:
        message = _("No scenario shows when it refuses or stops.")
        yield _in_manifest("warning", "refusal_untested", message, line)


def _weak_checks(package: Package) -> Iterator[Finding]:
    final = [check for s in package.manifest.scenarios if s.outcome == "succeeded" for check in s.expect]
    for index, step in enumerate(package.manifest.steps):
        line = package.line("steps", index)
        if not step.expect and step.ask is None:
            message = _("Step '{step}' expects nothing, so it cannot be seen to have worked.").format(step=step.id)
            yield _in_manifest("warning", "no_checks", message, line)
        for number, check in enumerate(step.expect):
            if _ADDS_NOTHING.match(check):
                message = _("Step '{step}': the check '{check}' cannot fail.").format(step=step.id, check=check)
                yield _in_manifest(
                    "warning", "check_cannot_fail", message, package.line("steps", index, "expect", number)
                )
    checks = [*(check for step in package.manifest.steps for check in step.expect), *final]
    if checks and not any(mark in check for check in checks for mark in _LOOKS_OUTSIDE):
        message = _("Every check looks at an exit status only, which the step sets itself; look at the effect.")
        yield _in_manifest("warning", "weak_checks", message, package.line("steps"))


def _step_with_status_only(package: Package) -> Iterator[Finding]:
    steps = package.manifest.steps
    for index, step in enumerate(steps):
        if step.action not in ("run", "shell") or not step.expect or not all(map(_EXIT_ONLY.match, step.expect)):
            continue
        message = _("Step '{step}' is believed by its exit status alone.").format(step=step.id)
        yield _in_manifest("notice", "weak_step", message, package.line("steps", index, "expect"))


def _retry_without_requires(package: Package) -> Iterator[Finding]:
    for index, step in enumerate(package.manifest.steps):
        if step.retry is not None and not step.requires and not step.is_idempotent:
            message = _(
                "Step '{step}' has 'retry' but no 'requires', so it is looked at again and never carried out again."
            ).format(step=step.id)
            yield _in_manifest("notice", "retry_looks_only", message, package.line("steps", index, "retry"))


def _undo(package: Package) -> Iterator[Finding]:
    if package.manifest.undo:
        return
    outside = [pattern for pattern in package.manifest.permissions.write if not pattern.startswith("work")]
    sends = next(
        (step for step in package.manifest.steps if step.http and step.http.method not in ("GET", "HEAD")), None
    )
    if outside or sends:
        what = outside[0] if outside else sends.http.url if sends and sends.http else ""
        message = _("It changes {what} and has no 'undo' to put it back.").format(what=what)
        yield _in_manifest("warning", "undo_missing", message)


def _exact_versions(package: Package) -> Iterator[Finding]:
    for condition in conditions.parse(package.manifest.conditions):
        if condition.key.startswith("tool.") and condition.operator in ("equals", "any_of"):
            message = _("{condition}: only exactly this version; write a range such as {example} for all of its line.")
            value = condition.value[0] if isinstance(condition.value, tuple) else condition.value
            text = message.format(condition=condition.text(), example=f"'=={value}.*'")
            yield _in_manifest("warning", "condition_exact_version", text, package.line("conditions", condition.key))


def _tools_without_condition(package: Package) -> Iterator[Finding]:
    keys = package.manifest.conditions
    if not keys:
        message = _("It has no conditions, so it claims to hold everywhere.")
        yield _in_manifest("warning", "conditions_missing", message)
    for index, command in enumerate(package.manifest.permissions.commands):
        name = command.rpartition("/")[2].lower()
        if name in scripts.EVERYWHERE or f"tool.{name}" in keys or (name == "python3" and "python.version" in keys):
            continue
        if "/" in command and command in package.files:
            continue
        message = _("It uses '{command}', and no condition says that it must be there ({key}).")
        text = message.format(command=command, key=f"tool.{name}")
        yield _in_manifest("notice", "tool_without_condition", text, package.line("permissions", "commands", index))


# --- SKILL.md beside it


def _skill(package: Package) -> Iterator[Finding]:
    manifest, skill = package.manifest, package.skill
    if skill.license and skill.license != manifest.license:
        message = _("SKILL.md is licensed as '{skill}', experience.yaml as '{manifest}'.")
        text = message.format(skill=skill.license, manifest=manifest.license)
        yield Finding("warning", "license_differs", text, SKILL, 2)
    if len(skill.body.split()) < 5:
        message = _("SKILL.md has no instructions for whoever cannot replay.")
        yield Finding("warning", "skill_empty", message, SKILL)
    for match in re.finditer(r"\]\(((?:scripts|references|assets)/[^)#\s]+)", skill.body):
        if match.group(1) not in package.files:
            message = _("SKILL.md points to {path}, which is not in the package.").format(path=match.group(1)[:200])
            yield Finding("warning", "skill_link_broken", message, SKILL)
    commands = {word.strip("'\"`") for word in re.split(r"[\s()|;]+", skill.allowed_tools)}
    if (
        skill.allowed_tools
        and manifest.permissions.commands
        and "Bash" not in skill.allowed_tools
        and not (commands & set(manifest.permissions.commands))
    ):
        message = _("SKILL.md's allowed-tools let an agent run none of the commands that the steps use.")
        yield Finding("notice", "skill_tools_differ", message, SKILL)


RULES: tuple[Callable[[Package], Iterator[Finding]], ...] = (
    _files,
    _undeclared_commands,
    _unused_commands,
    _wide_permissions,
    _secrets_in_arguments,
    _scenarios,
    _weak_checks,
    _step_with_status_only,
    _retry_without_requires,
    _undo,
    _exact_versions,
    _tools_without_condition,
    _skill,
)
