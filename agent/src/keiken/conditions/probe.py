"""The facts of a machine: what conditions are held against. Reads and asks for versions; changes nothing."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from keiken.conditions import tools as known_tools
from keiken.conditions.extra import probe_extra, read_extra
from keiken.conditions.script import packaged_versions, script, sections
from keiken.conditions.tools import ASKED
from keiken.conditions.vocabulary import Fact

Run = Callable[[Sequence[str]], tuple[int, str]]
Read = Callable[[Path], bytes]

TIMEOUT_SECONDS = 10
OUTPUT_BYTES_LIMIT = 1 << 20
_DOTTED = re.compile(r"(\d+(?:\.\d+)+[0-9A-Za-z.+~_-]*)", re.A)
_NUMBER = re.compile(r"(?<![\w.])[vV]?(\d+[0-9A-Za-z.+~-]*)", re.A)
UNTOLD = "unknown"
"""The version of a tool that is there and does not tell; it is in no range."""


def this_machine(argv: Sequence[str]) -> tuple[int, str]:
    """Run a command here without a shell, under a time limit; what it printed up to then.

    It is its own process group and all of it is killed at the limit: a tool must not hang the prober.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError:
        return 127, ""
    try:
        output, _nothing = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Something that left the group may still hold the pipe: what came so far must do.
        try:
            output, _nothing = process.communicate(timeout=1)
        except subprocess.TimeoutExpired as late:
            output = late.output or b""
        return 124, output[:OUTPUT_BYTES_LIMIT].decode("utf-8", "replace")
    return process.returncode, output[:OUTPUT_BYTES_LIMIT].decode("utf-8", "replace")


def probe(
    *,
    run: Run | None = None,
    tools: Iterable[str] = (),
    extra_file: Path | None = None,
    read: Read | None = None,
) -> dict[str, Fact]:
    """The facts, sorted by key. What could not be found out is left out; what is known to be absent is None.

    ``run`` carries a command out elsewhere, for example inside a sandbox, and returns exit code and output.
    ``tools`` are asked for besides the well-known ones. ``extra_file`` is a ``keiken-facts.yaml``, fetched by ``read``.
    Raises UsageError when it cannot be understood.
    """
    extras = read_extra(extra_file, read or Path.read_bytes) if extra_file is not None else []
    run = run or this_machine
    mark = f"@{secrets.token_hex(12)}@"
    names = known_tools.names(tools)
    _code, output = run(["sh", "-c", script(names, mark)])
    told = sections(output, mark)
    facts = _system(told) | _host(told) | _locale(told) | _network(told) | _tools(names, told)
    if "tool.python3" in facts:
        facts["python.version"] = facts["tool.python3"]
    facts |= probe_extra(extras, run)
    return dict(sorted(facts.items()))


def _system(told: Mapping[str, str]) -> dict[str, Fact]:
    release = dict(re.findall(r"""^([A-Z_]+)=["']?([^"'\n]*)["']?\s*$""", told.get("os", ""), re.M))
    facts: dict[str, Fact] = {}
    if "os" in told:
        facts["os.id"] = release.get("ID") or None
        facts["os.like"] = release.get("ID_LIKE", "").split()
        facts["os.version"] = release.get("VERSION_ID") or None
        facts["os.codename"] = release.get("VERSION_CODENAME") or None
    point_release = _first_line(told, "debian")
    if "debian" in told:
        # Debian's testing says "trixie/sid" there: a name, and no version.
        facts["os.point_release"] = point_release if point_release and point_release[0].isdigit() else None
    if "libc" in told:
        loaders = told["libc"]
        facts["os.libc"] = "musl" if "ld-musl" in loaders else "glibc" if "ld-linux" in loaders else None
    for key, title in (("os.kernel", "kernel"), ("os.architecture", "machine"), ("os.init", "init")):
        if title in told:
            facts[key] = _first_line(told, title)
    if family := _first_line(told, "family"):
        facts["os.family"] = family.lower()
    return facts


def _host(told: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if memory := re.search(r"^MemTotal:\s+(\d+) kB", told.get("memory", ""), re.M):
        facts["host.memory_mib"] = int(memory.group(1)) // 1024
    if (cpus := _first_line(told, "cpus")) and cpus.isdigit():
        facts["host.cpus"] = int(cpus)
    if disk := re.search(r"\s(\d+)\s+-?\d+%\s", told.get("disk", "")):
        facts["host.disk_free_mib"] = int(disk.group(1)) // 1024
    if user := _first_line(told, "user"):
        facts["host.is_root"] = user == "0"
    if "container" in told:
        facts["host.is_container"] = bool(re.search(r"docker|containerenv|kubepods|lxc|libpod", told["container"]))
    return facts


def _locale(told: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if name := _first_line(told, "locale"):
        language, _dot, encoding = name.partition("@")[0].partition(".")
        language, _underscore, territory = language.partition("_")
        facts["locale.language"] = "c" if language in ("C", "POSIX") else language.lower()
        facts["locale.territory"] = territory or None
        facts["locale.encoding"] = re.sub(r"^UTF-?8$", "UTF-8", encoding.upper()) or None
    if available := told.get("locales", "").split():
        facts["locale.available"] = sorted(available)
    return facts


def _network(told: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    if "loopback" in told:
        facts["network.loopback"] = "127.0.0.1" in told["loopback"]
    if "ipv6" in told:
        facts["network.ipv6"] = bool(told["ipv6"].strip())
    if "route" in told and "route6" in told:
        by_four = re.search(r"^(?!lo\b)\S+\s+00000000\s", told["route"], re.M)
        by_six = re.search(r"^0{32} 00 .*\s(?!lo$)\S+$", told["route6"], re.M)
        facts["network.default_route"] = bool(by_four or by_six)
    return facts


def _tools(names: Iterable[str], told: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    packaged = packaged_versions(dict(told))
    for name in names:
        if f"tool {name}" in told:
            said = told[f"tool {name}"] if name in ASKED else packaged.get(name, "")
            facts[f"tool.{name.lower()}"] = tool_version(name, said)
        elif f"absent {name}" in told:
            facts[f"tool.{name.lower()}"] = None
    return facts


def tool_version(name: str, text: str) -> str:
    """The version in what a tool printed: the first dotted number of the first line that has one."""
    lines = [line.replace(name, " ", 1) if line.startswith(name) else line for line in text.splitlines()]
    for pattern in (_DOTTED, _NUMBER):
        for line in lines:
            if found := pattern.search(line):
                return found.group(1).rstrip(".-+~_")
    return UNTOLD


def _first_line(told: Mapping[str, str], title: str) -> str | None:
    lines = told.get(title, "").strip().splitlines()
    return lines[0].strip() if lines else None
