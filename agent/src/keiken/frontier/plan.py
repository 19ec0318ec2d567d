"""What is tried: one flip at a time of locale, time zone, date, tools and release."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keiken.frontier.record import Flip
from keiken.package import Package
from keiken.package.manifest import Scenario

TIME_ZONES = ("<+14>-14", "<-11>+11")
"""POSIX names, which need no time zone files. At every hour of UTC at least one of them has another date."""
DAYS = (400, 8000)
"""Another year, which also crosses the end of a month; and beyond 2038."""
LOCALES_LIMIT = 4
TOOLS_LIMIT = 12
BIN_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin")


def scenarios_of(package: Package, environment: str) -> list[Scenario]:
    """Those that run steps in this environment; one that pretends facts or promises a refusal runs none of its own."""
    return [
        scenario
        for scenario in package.manifest.scenarios
        if environment in scenario.environments and scenario.outcome != "refused" and not scenario.facts
    ]


def locale_flips(facts: Mapping[str, Any], wanted: Iterable[str]) -> list[Flip]:
    """One locale for each installed language, wanted languages first, and plain C, whose encoding is ASCII."""
    by_language: dict[str, str] = {}
    for name in facts.get("locale.available") or []:
        language = str(name).partition(".")[0].partition("_")[0]
        if language not in ("C", "POSIX"):
            by_language.setdefault(language.lower(), str(name))
    wanted = {word.lower() for word in wanted}
    first = sorted(by_language, key=lambda language: (language not in wanted, language))
    names = [by_language[language] for language in first[: LOCALES_LIMIT - 1]]
    return [Flip(axis="locale", value=name) for name in [*names, "C"]]


def tools_of(package: Package) -> list[str]:
    """The tools that conditions or permissions name, sorted."""
    conditions = package.manifest.conditions
    declared = {key.partition(".")[2] for key in conditions if key.startswith("tool.")}
    declared |= {"python3"} & ({"python3"} if "python.version" in conditions else set())
    return sorted(declared | {Path(command).name for command in package.manifest.permissions.commands})


def tool_flips(root: Path, names: Sequence[str]) -> list[Flip]:
    """Those that some machines do without: no system is without its essential packages."""
    essential = _essential_files(root)
    found = [
        name
        for name in names
        if (paths := tool_paths(root, name)) and not any(f"/{path}" in essential for path in paths)
    ]
    return [Flip(axis="tool", value=name) for name in found[:TOOLS_LIMIT]]


def tool_paths(root: Path, name: str) -> list[str]:
    """Where it lies in the root, relative to it; links of merged folders are passed over."""
    paths = []
    for folder in BIN_FOLDERS:
        path = root / folder / name
        if not (root / folder).is_symlink() and (path.is_symlink() or _is_program(path)):
            paths.append(f"{folder}/{name}")
    return paths


def _is_program(path: Path) -> bool:
    return path.is_file() and bool(stat.S_IMODE(path.lstat().st_mode) & 0o111)


def _essential_files(root: Path) -> set[str]:
    """All files of Debian's essential packages, under the names by which they are found today (/bin is /usr/bin)."""
    status = root / "var/lib/dpkg/status"
    if not status.is_file():
        return set()
    files: set[str] = set()
    for paragraph in status.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[:1].isalpha())
        if fields.get("Essential") == "yes" or fields.get("Priority") == "required":
            for listed in (root / "var/lib/dpkg/info").glob(f"{fields['Package']}*.list"):
                if listed.stem.partition(":")[0] == fields["Package"]:
                    files |= set(listed.read_text(encoding="utf-8", errors="replace").splitlines())
    return files | {f"/usr{path}" for path in files if path.startswith(("/bin/", "/sbin/"))} | _alternatives(root)


def _alternatives(root: Path) -> set[str]:
    """Names such as awk, which essential packages bring by way of /etc/alternatives."""
    return {
        f"/{folder}/{path.name}"
        for folder in BIN_FOLDERS[:2]
        for path in (root / folder).glob("*")
        if path.is_symlink() and str(path.readlink()).startswith("/etc/alternatives/")
    }


def dated_library(root: Path) -> str | None:
    """The path inside of Debian's libfaketime, which gives one program another date; None where it is not."""
    found = sorted(root.glob("usr/lib/*/faketime/libfaketime.so.1"))
    return "/" + str(found[0].relative_to(root)) if found else None


def pairs(effects: Sequence[Flip], others: Sequence[Flip], limit: int) -> list[list[Flip]]:
    """Each flip that showed an effect with one flip of each other axis that can be had in the same root."""
    found = []
    for effect in effects:
        seen = {effect.axis}
        for other in others:
            if other.axis not in seen:
                seen.add(other.axis)
                found.append([effect, other])
    return found[:limit]
