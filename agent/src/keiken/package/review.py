"""The static review: what can be said of a package before anything of it runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from keiken.i18n import _
from keiken.package.load import MANIFEST, Package

Level = Literal["error", "warning", "notice"]

SECRETS = {
    "AWS": r"\bAKIA[0-9A-Z]{16}\b",
    "GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b",
    "Slack": r"\bxox[baprs]-[A-Za-z0-9-]{20,}\b",
    "Stripe": r"\b[sr]k_live_[A-Za-z0-9]{20,}\b",
    "Keiken": r"\bkk_[a-z0-9]{8,}_[A-Za-z0-9]{20,}\b",
    "PEM": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
}
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
BUILTINS = set(
    ". : [ alias bg break case cd command continue do done echo elif else esac eval exec exit export false fg fi for "
    "getopts hash if in jobs kill local printf pwd read readonly return set shift test then times trap true type ulimit "
    "umask unalias unset until wait while { } !".split()
)


@dataclass(frozen=True)
class Finding:
    """An ``error`` refuses the package; a ``warning`` is shown to buyers; a ``notice`` informs."""

    level: Level
    code: str
    message: str
    file: str = ""
    line: int | None = None


def review(package: Package) -> list[Finding]:
    """All findings, errors first."""
    found = [finding for rule in RULES for finding in rule(package)]
    return sorted(found, key=lambda finding: ("error", "warning", "notice").index(finding.level))


def _text_files(package: Package) -> Iterator[tuple[str, str]]:
    for path in package.files:
        content = (package.folder / path).read_bytes()
        if b"\0" not in content[:8192]:
            yield path, content.decode("utf-8", "replace")


def _secrets(package: Package) -> Iterator[Finding]:
    for path, text in _text_files(package):
        for kind, pattern in SECRETS.items():
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                message = _("{path}, line {line}: this looks like a secret ({kind}).").format(
                    path=path, line=line, kind=kind
                )
                yield Finding("error", "secret_found", message, path, line)


def _hidden_characters(package: Package) -> Iterator[Finding]:
    for path, text in _text_files(package):
        if match := BIDI.search(text):
            line = text.count("\n", 0, match.start()) + 1
            message = _("{path}, line {line}: an invisible character turns the direction of the text.").format(
                path=path, line=line
            )
            yield Finding("error", "hidden_character", message, path, line)


def _undeclared_commands(package: Package) -> Iterator[Finding]:
    declared = set(package.manifest.permissions.commands)
    for kind in ("steps", "undo"):
        for index, step in enumerate(getattr(package.manifest, kind)):
            line = package.lines.line((kind, index)) if package.lines else None
            if step.run and step.run[0] not in declared:
                message = _("step '{step}' runs '{command}', which permissions.commands does not name.")
                yield Finding(
                    "error", "command_undeclared", message.format(step=step.id, command=step.run[0]), MANIFEST, line
                )
            if step.shell:
                for command in sorted(_shell_commands(step.shell) - declared - BUILTINS):
                    message = _("step '{step}' seems to use '{command}', which permissions.commands does not name.")
                    text = message.format(step=step.id, command=command)
                    yield Finding("warning", "command_undeclared_in_script", text, MANIFEST, line)


def _shell_commands(script: str) -> set[str]:
    """The first words of simple commands, as far as they can be seen without running anything."""
    found = set()
    for part in re.split(r"\n|;|&&|\|\|?|\$\(|`", script):
        try:
            words = shlex.split(part.strip(), comments=True)
        except ValueError:
            continue
        while words and (words[0] in ("if", "then", "while", "do", "!", "{", "(", "else", "until") or "=" in words[0]):
            words = words[1:]
        if words and re.fullmatch(r"[A-Za-z0-9._+-]+", words[0]) and "in" not in words[1:2]:
            found.add(words[0])
    return found


def _scenarios(package: Package) -> Iterator[Finding]:
    scenarios = package.manifest.scenarios
    if not any(scenario.outcome == "succeeded" for scenario in scenarios):
        message = _("No scenario is to succeed, so nothing can prove that it works.")
        yield Finding("error", "scenario_missing", message, MANIFEST)
    elif all(scenario.outcome == "succeeded" for scenario in scenarios):
        message = _("No scenario shows when it refuses or stops.")
        yield Finding("warning", "refusal_untested", message, MANIFEST)


def _weak_checks(package: Package) -> Iterator[Finding]:
    for index, step in enumerate(package.manifest.steps):
        line = package.lines.line(("steps", index)) if package.lines else None
        if not step.expect and step.ask is None:
            message = _("step '{step}' expects nothing, so it cannot be seen to have worked.").format(step=step.id)
            yield Finding("warning", "no_checks", message, MANIFEST, line)
    checks = [check for step in package.manifest.steps for check in step.expect]
    checks += [check for scenario in package.manifest.scenarios for check in scenario.expect]
    if checks and all("exit_code" in check or "result.status" in check for check in checks):
        message = _("Every check looks at an exit status only; look at the effect itself.")
        yield Finding("warning", "weak_checks", message, MANIFEST)


def _network(package: Package) -> Iterator[Finding]:
    for host in package.manifest.permissions.network:
        yield Finding("notice", "network_permission", _("It asks to reach {host}.").format(host=host), MANIFEST)


RULES: tuple[Callable[[Package], Iterator[Finding]], ...] = (
    _secrets,
    _hidden_characters,
    _undeclared_commands,
    _scenarios,
    _weak_checks,
    _network,
)
