"""One POSIX shell script that tells everything about a machine: a process for each fact would take too long.

It needs nothing but ``sh``; what is missing leaves its section empty. It works inside a bare sandbox as well, reads
files, asks known tools for their versions and changes nothing. Every section begins with a mark that no tool can guess.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from keiken.conditions.tools import ASKED

TOOL_SECONDS = 3
OUTPUT_BYTES = 600
_SECTIONS = (
    ("family", "uname -s"),
    ("kernel", "uname -r"),
    ("machine", "uname -m"),
    ("os", "cat /etc/os-release || cat /usr/lib/os-release"),
    ("debian", "cat /etc/debian_version"),
    ("init", "cat /proc/1/comm"),
    ("libc", "ls /lib/ld-musl-* /lib64/ld-linux* /lib/ld-linux* /lib/*/ld-linux*"),
    ("memory", "cat /proc/meminfo"),
    ("cpus", "nproc || getconf _NPROCESSORS_ONLN"),
    ("disk", "df -Pk ."),
    ("user", "id -u"),
    ("container", "ls -d /.dockerenv /run/.containerenv; cat /proc/1/cgroup"),
    ("locale", 'echo "${LC_ALL:-${LC_CTYPE:-${LANG:-C}}}"'),
    ("locales", "locale -a"),
    ("loopback", "cat /proc/net/fib_trie"),
    ("ipv6", "cat /proc/net/if_inet6"),
    ("route", "cat /proc/net/route"),
    ("route6", "cat /proc/net/ipv6_route"),
)
_START = f"""exec 2>/dev/null </dev/null
limit() {{ "$@"; }}
command -v timeout >/dev/null && limit() {{ timeout {TOOL_SECONDS} "$@"; }}"""
_OWNERS = """set --
for n in {names}; do
  p=$(command -v "$n") && p=$(readlink -f "$p") && echo "$n $p" && set -- "$@" "$p" "${{p#/usr}}"
done
echo {mark}owners
if command -v dpkg-query >/dev/null; then limit dpkg-query -S "$@"
else for p in "$@"; do echo "$(limit rpm -qf --qf '%{{NAME}}' "$p"): $p"; done; fi
echo {mark}packages
if command -v dpkg-query >/dev/null; then limit dpkg-query -W -f '${{Package}} ${{Version}}\\n'
else limit rpm -qa --qf '%{{NAME}} %{{VERSION}}\\n'; fi"""


def script(names: Sequence[str], mark: str) -> str:
    """The script. ``names`` must be names of tools (see ``tools.names``); they are quoted all the same."""
    lines = [_START, *(f"echo {mark}{title}; {{ {command}; }}" for title, command in _SECTIONS)]
    lines += ["LC_ALL=C; export LC_ALL", *(_tool(name, mark) for name in names)]
    silent = [shlex.quote(name) for name in names if name not in ASKED]
    if silent:
        lines += [f"echo {mark}files", _OWNERS.format(names=" ".join(silent), mark=mark)]
    return "\n".join([*lines, f"echo {mark}end"])


def _tool(name: str, mark: str) -> str:
    word = shlex.quote(name)
    ask = f"; limit {ASKED[name]} 2>&1 | head -c {OUTPUT_BYTES}" if name in ASKED else ""
    return f"if command -v {word} >/dev/null; then echo {mark}tool {word}{ask}; else echo {mark}absent {word}; fi"


def sections(text: str, mark: str) -> dict[str, str]:
    """Title to body. What a time limit cut off is not there, so nothing is concluded from it."""
    parts = [part.partition("\n") for part in text.split(mark)[1:]]
    finished = parts if parts and parts[-1][0] == "end" else parts[:-1]
    return {title.strip(): body for title, _newline, body in finished}


def packaged_versions(told: dict[str, str]) -> dict[str, str]:
    """Tool to the version of the package that its file belongs to, for those that were only looked for."""
    owners = dict(line.rpartition(": ")[::-2] for line in told.get("owners", "").splitlines() if ": " in line)
    versions = dict(line.split(" ", 1) for line in told.get("packages", "").splitlines() if " " in line)
    found = {}
    for name, _space, path in (line.partition(" ") for line in told.get("files", "").splitlines()):
        owner = owners.get(path) or owners.get(path.removeprefix("/usr")) or ""
        if version := versions.get(owner.partition(":")[0].partition(",")[0]):
            found[name] = version
    return found
