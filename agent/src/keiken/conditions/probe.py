"""The facts of a machine: what conditions are held against. Reads and asks for versions; changes nothing."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from keiken.conditions.extra import Extra, read_extra
from keiken.conditions.predicates import Fact

Run = Callable[[Sequence[str]], tuple[int, str]]

TIMEOUT_SECONDS = 20
VERSION_FLAGS = {
    "openssl": "version", "nginx": "-v", "ssh": "-V", "java": "-version", "go": "version", "kubectl": "version --client",
    "helm": "version --short", "terraform": "version", "sqlite3": "--version", "awk": "-W version", "mawk": "-W version",
}  # fmt: skip
"""Where ``--version`` is not it. A tool that is asked for by name and is not here gets ``--version``."""
WELL_KNOWN = tuple(
    "openssl git nginx sqlite3 psql postgres pg_dump python3 curl tar gzip xz gpg jq sed awk gawk grep find logrotate "
    "systemctl docker node npm make gcc rsync ssh iconv perl bash dash apt-get logger cmp diff".split()
)
NO_VERSION = {"dash", "logger"}
"""They have no way to say their version; that they are there is the fact."""
TOOL = re.compile(r"^[a-z0-9][a-z0-9_.+-]{0,40}$")
_VERSION = re.compile(r"\d+(?:\.\d+)+[0-9A-Za-z.+~-]*|\d+[0-9A-Za-z.+~-]*")
_MARK = "@keiken@"


def this_machine(argv: Sequence[str]) -> tuple[int, str]:
    """Run a command here, with a small environment and a time limit; stdout and stderr together."""
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def probe(*, run: Run | None = None, tools: Iterable[str] = (), extra_file: Path | None = None) -> dict[str, Fact]:
    """The facts, sorted by key. ``run`` carries a command out elsewhere, for example inside a sandbox.

    ``extra_file`` is a ``keiken-facts.yaml``. Raises UsageError when it cannot be understood.
    """
    run = run or this_machine
    names = sorted({name for name in (*WELL_KNOWN, *tools) if TOOL.match(name)})
    sections = _sections(run(["sh", "-c", _script(names)])[1])
    facts: dict[str, Fact] = {"os.family": sections.get("uname", "").strip().lower() or "unknown"}
    facts |= _operating_system(sections)
    facts |= _host(sections)
    facts |= _locale(sections)
    for name in names:
        facts[f"tool.{name}"] = _tool_version(name, sections.get(f"tool {name}"))
    facts["python.version"] = facts["tool.python3"]
    if extra_file is not None:
        facts |= _extra(read_extra(extra_file), run)
    return dict(sorted(facts.items()))


def _script(names: Sequence[str]) -> str:
    """One shell script for everything: a process each would take too long."""
    parts = ["export LC_MESSAGES=C"]
    for title, command in (
        ("uname", "uname -s"),
        ("release", "uname -r"),
        ("machine", "uname -m"),
        ("os", "cat /etc/os-release 2>/dev/null"),
        ("debian", "cat /etc/debian_version 2>/dev/null"),
        ("memory", "cat /proc/meminfo 2>/dev/null"),
        ("cpus", "nproc 2>/dev/null"),
        ("locale", 'echo "${LC_ALL:-${LC_CTYPE:-$LANG}}"'),
        ("locales", "locale -a 2>/dev/null"),
        ("network", "cat /proc/net/route /proc/net/ipv6_route 2>/dev/null"),
    ):
        parts.append(f"echo '{_MARK}{title}'; {command}")
    for name in names:
        flags = VERSION_FLAGS.get(name, "--version")
        word = shlex.quote(name)
        ask = ":" if name in NO_VERSION else f"{word} {flags} </dev/null 2>&1 | head -n 3"
        parts.append(f"if command -v {word} >/dev/null 2>&1; then echo '{_MARK}tool {name}'; {ask}; fi")
    return "\n".join(parts)


def _sections(text: str) -> dict[str, str]:
    sections = {}
    for part in text.split(_MARK)[1:]:
        title, _separator, body = part.partition("\n")
        sections[title] = body
    return sections


def _operating_system(sections: dict[str, str]) -> dict[str, Fact]:
    release = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', sections.get("os", ""), re.M))
    return {
        "os.id": release.get("ID") or None,
        "os.like": release.get("ID_LIKE", "").split(),
        "os.version": release.get("VERSION_ID") or None,
        "os.codename": release.get("VERSION_CODENAME") or None,
        "os.architecture": sections.get("machine", "").strip() or None,
        "os.kernel": sections.get("release", "").strip() or None,
        "os.point_release": sections.get("debian", "").strip() or None,
    }


def _host(sections: dict[str, str]) -> dict[str, Fact]:
    memory = re.search(r"^MemTotal:\s+(\d+) kB", sections.get("memory", ""), re.M)
    cpus = sections.get("cpus", "").strip()
    has_route = re.search(r"^(?!lo\b)\w+\s+00000000\s", sections.get("network", ""), re.M)
    return {
        "host.memory_mib": int(memory.group(1)) // 1024 if memory else None,
        "host.cpus": int(cpus) if cpus.isdigit() else None,
        "network.default_route": has_route is not None,
    }


def _locale(sections: dict[str, str]) -> dict[str, Fact]:
    name = sections.get("locale", "").strip()
    language, _dot, encoding = name.partition(".")
    language, _underscore, territory = language.partition("_")
    return {
        "locale.language": language.lower() or "c",
        "locale.territory": territory or None,
        "locale.encoding": encoding.upper().replace("UTF8", "UTF-8") or None,
        "locale.available": sorted(sections.get("locales", "").split()),
    }


def _tool_version(name: str, text: str | None) -> Fact:
    """None where the tool is absent; "0" where it is there and does not say its version."""
    if text is None:
        return None
    for line in text.splitlines():
        if found := _VERSION.search(line.replace(name, "", 1) if line.startswith(name) else line):
            return found.group().rstrip(".,)")
    return "0"


def _extra(extras: Iterable[Extra], run: Run) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for extra in extras:
        if extra.command is None:
            facts[extra.key] = extra.value
            continue
        code, text = run(extra.command)
        found = re.search(extra.pattern, text, re.M)
        facts[extra.key] = (found.group(1) if found.groups() else found.group()) if found and code == 0 else None
    return facts
