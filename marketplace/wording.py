"""Manifests, verdicts and conditions in plain words, for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.domain.command_lines import command_line

Tone = Literal["good", "warn", "bad", ""]


@dataclass(frozen=True, slots=True)
class Mark:
    """A state as the pages show it: always a shape and a word, the color only underlines."""

    tone: Tone
    icon: str
    label: Any
    meaning: Any = ""


VERDICTS: dict[str, Mark] = {
    "passed": Mark(
        "good", "check", gettext_lazy("Passed"), gettext_lazy("Every check held, and fails without the steps.")
    ),
    "failed": Mark("bad", "cross", gettext_lazy("Failed"), gettext_lazy("A check did not hold.")),
    "flaky": Mark("warn", "warning", gettext_lazy("Flaky"), gettext_lazy("The same run held and did not hold.")),
    "precondition_unmet": Mark(
        "",
        "question",
        gettext_lazy("Outside its conditions"),
        gettext_lazy("The environment is none it promises to work in."),
    ),
    "vacuous": Mark(
        "bad",
        "cross",
        gettext_lazy("Proves nothing"),
        gettext_lazy("The checks hold without the steps, or notice too few wrong effects."),
    ),
    "inconclusive": Mark("warn", "question", gettext_lazy("Inconclusive"), gettext_lazy("Nothing could be concluded.")),
    "limit_exceeded": Mark(
        "bad",
        "warning",
        gettext_lazy("Over the limits"),
        gettext_lazy("It used more time, memory or output than allowed."),
    ),
    "policy_violation": Mark(
        "bad", "warning", gettext_lazy("Not permitted"), gettext_lazy("It tried something it has not declared.")
    ),
    "invalid_package": Mark(
        "bad", "cross", gettext_lazy("Invalid package"), gettext_lazy("The package breaks the format.")
    ),
    "error": Mark(
        "", "clock", gettext_lazy("Our trouble"), gettext_lazy("The sandbox had trouble; it is tried again.")
    ),
    "aged": Mark(
        "warn", "clock", gettext_lazy("Expired"), gettext_lazy("It passed, but longer ago than a proof counts.")
    ),
    "queued": Mark("", "clock", gettext_lazy("Waiting"), gettext_lazy("It waits for a sandbox.")),
    "running": Mark("", "clock", gettext_lazy("Running"), gettext_lazy("It is replayed in a sandbox right now.")),
}
STATUSES: dict[str, Mark] = {
    "verified": Mark(
        "good", "seal", gettext_lazy("Verified"), gettext_lazy("Replayed in our sandboxes; every scenario passed.")
    ),
    "failing": Mark(
        "bad", "seal-broken", gettext_lazy("Failing"), gettext_lazy("The last replay in our sandboxes did not pass.")
    ),
    "pending": Mark(
        "", "seal-open", gettext_lazy("Being verified"), gettext_lazy("It waits for its replay in our sandboxes.")
    ),
    "unverified": Mark(
        "", "seal-none", gettext_lazy("Not verified"), gettext_lazy("No current proof from our sandboxes.")
    ),
}
FITS: dict[str, Mark] = {
    "holds": Mark("good", "check", gettext_lazy("Fits your machine"), gettext_lazy("Every condition holds there.")),
    "fails": Mark(
        "bad", "cross", gettext_lazy("Does not fit"), gettext_lazy("At least one condition does not hold there.")
    ),
    "unknown": Mark(
        "warn", "question", gettext_lazy("May fit"), gettext_lazy("Your facts do not tell about every condition.")
    ),
}
OUTCOMES: dict[str, Mark] = {
    "succeeded": Mark("good", "check", gettext_lazy("Succeeded")),
    "refused": Mark("", "lock", gettext_lazy("Refused"), gettext_lazy("Nothing was touched.")),
    "diverged": Mark("bad", "cross", gettext_lazy("Diverged"), gettext_lazy("A check did not hold; it stopped there.")),
    "failed": Mark("bad", "cross", gettext_lazy("Failed"), gettext_lazy("An action could not be carried out.")),
    "error": Mark("warn", "warning", gettext_lazy("Replayer's trouble")),
    "skipped": Mark("", "arrow", gettext_lazy("Skipped")),
    "not_run": Mark("", "clock", gettext_lazy("Not run")),
}
ISOLATION = {
    "namespace": gettext_lazy("Linux namespaces, seccomp and limits"),
    "usermode-kernel": gettext_lazy("a kernel of its own in user space"),
    "virtual-machine": gettext_lazy("a virtual machine"),
    "landlock": gettext_lazy("Landlock only"),
    "none": gettext_lazy("none"),
}
WAYS_OUT = {
    "not_declared": gettext_lazy("refused: the package does not declare it"),
    "address_not_public": gettext_lazy("refused: it leads to an address inside"),
    "unresolved": gettext_lazy("the name leads nowhere"),
    "unreachable": gettext_lazy("nothing answered"),
    "malformed": gettext_lazy("refused: it cannot be read in one way only"),
    "too_many_connections": gettext_lazy("refused: too many at once"),
    "limit_exceeded": gettext_lazy("cut off: too many bytes"),
    "timeout": gettext_lazy("cut off: it took too long"),
    "failed": gettext_lazy("failed by trouble of ours"),
}
"""What became of a request for the network that was not let through, or not to its end; codes of the sandbox."""
USES = {
    "replay": gettext_lazy("replay it"),
    "read": gettext_lazy("read it"),
    "modify": gettext_lazy("change it"),
    "derive": gettext_lazy("build on it"),
    "redistribute": gettext_lazy("pass it on"),
    "resell": gettext_lazy("sell it on"),
    "train": gettext_lazy("train models with it"),
}
DIFFERENCES = {
    "outcome": gettext_lazy("how it ended"),
    "status": gettext_lazy("how the step ended"),
    "exit_code": gettext_lazy("exit code"),
    "check": gettext_lazy("a check"),
    "value": gettext_lazy("a value that a check looked at"),
    "output": gettext_lazy("an output"),
    "file": gettext_lazy("a file"),
    "result": gettext_lazy("a result"),
    "left_out": gettext_lazy("something that was too large to be kept"),
}
UNKNOWN = Mark("", "question", gettext_lazy("Unknown"))


def step_command(step: Mapping[str, Any]) -> str:
    """What the step does, exactly, in one or more lines."""
    if step.get("run"):
        return command_line(step["run"])
    if step.get("shell"):
        return str(step["shell"]).strip()
    if step.get("http"):
        return f"{step['http'].get('method', 'GET')} {step['http'].get('url', '')}"
    if step.get("file"):
        return _file_command(step["file"])
    return str(step.get("ask") or "")


def step_kind(step: Mapping[str, Any]) -> str:
    kinds = {
        "run": _("runs a command"),
        "shell": _("runs a script"),
        "http": _("asks over HTTP"),
        "file": _("changes a file"),
        "ask": _("asks a person"),
    }
    return next((text for name, text in kinds.items() if step.get(name)), "")


def _file_command(action: Mapping[str, Any]) -> str:
    kind = next((name for name in ("write", "template", "patch", "remove") if action.get(name)), "")
    lines = [f"{kind} {action.get(kind, '')}" + (f" ({action['mode']})" if action.get("mode") else "")]
    if action.get("source"):
        lines.append(f"from {action['source']}")
    if action.get("content"):
        lines.append(str(action["content"]).rstrip())
    lines += [f"{item.get('find')} → {item.get('replace')}" for item in action.get("replacements") or []]
    return "\n".join(lines)


def permission_lines(manifest: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """(icon, sentence, names) for each thing a replay may touch."""
    permissions = manifest.get("permissions") or {}
    commands, write = permissions.get("commands") or [], permissions.get("write") or ["work/**"]
    network, tools = permissions.get("network") or [], permissions.get("tools") or []
    lines = [
        ("terminal", _("It runs these commands and no others:") if commands else _("It runs no command."), commands),
        ("document", _("It writes only here, below its own job folder:"), write),
        ("globe", _("It connects only to:") if network else _("It reaches no network."), network),
    ]
    if tools:
        lines.append(("list", _("It calls these tools:"), tools))
    if secrets := manifest.get("secrets") or []:
        lines.append(("key", _("It asks for these secrets and never stores them:"), secrets))
    return lines


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    required: bool
    default: str
    rules: str
    description: str


def parameters(manifest: Mapping[str, Any]) -> list[Parameter]:
    """The manifest's parameters, each with its constraints in words."""
    return [
        Parameter(
            name=name,
            kind=_kind(schema),
            required="default" not in schema,
            default=_short(schema["default"]) if "default" in schema else "",
            rules="; ".join(_rules(schema)),
            description=str(schema.get("description") or schema.get("title") or ""),
        )
        for name, schema in (manifest.get("parameters") or {}).items()
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type") or ""
    names = {
        "string": _("text"),
        "integer": _("whole number"),
        "number": _("number"),
        "boolean": _("yes or no"),
        "array": _("list"),
        "object": _("mapping"),
    }
    return " / ".join(
        names.get(str(kind), str(kind)) for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind
    )


def _rules(schema: Mapping[str, Any]) -> list[str]:
    texts = {
        "enum": _("one of {value}"),
        "const": _("always {value}"),
        "minimum": _("at least {value}"),
        "maximum": _("at most {value}"),
        "minLength": _("at least {value} characters"),
        "maxLength": _("at most {value} characters"),
        "pattern": _("matches {value}"),
        "format": _("a {value}"),
        "examples": _("for example {value}"),
    }
    return [text.format(value=_short(schema[name])) for name, text in texts.items() if name in schema]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return '""' if value == "" else str(value)


def environments(manifest: Mapping[str, Any]) -> list[str]:
    """The environments its scenarios name, sorted."""
    names = (scenario.get("environments") or ["debian-12"] for scenario in manifest.get("scenarios") or [])
    return sorted({name for group in names for name in group})
