"""Which paths a package may hold: names that mean the same on every system, and nothing that leads elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from keiken.errors import PackageError
from keiken.i18n import _

FILES_LIMIT = 2_000
TOTAL_BYTES_LIMIT = 32 << 20
FILE_BYTES_LIMIT = 8 << 20
DEPTH_LIMIT = 12
PATH_BYTES_LIMIT = 240
RESERVED_TOP = {"work"}
RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}


def check_path(path: str) -> None:
    """Raises PackageError with a ``path_…`` code that names the path and the rule."""
    for code, is_broken, rule in (
        ("path_empty", path == "", _("a name may not be empty")),
        ("path_control_character", any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") for c in path),
         _("control and invisible characters are not allowed in names")),
        ("path_absolute", path.startswith("/") or path[1:2] == ":" or "\\" in path, _("paths are relative, with '/' between")),
        ("path_traversal", any(part in ("", ".", "..") for part in path.split("/")), _("'.', '..' and empty parts are not allowed")),
        ("path_not_normalized", unicodedata.normalize("NFC", path) != path, _("names must be in Unicode form NFC")),
        ("path_too_long", len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES_LIMIT, _("paths have at most 240 bytes")),
        ("path_too_deep", path.count("/") >= DEPTH_LIMIT, _("folders are nested at most 12 deep")),
        ("path_reserved", path.split("/")[0] in RESERVED_TOP, _("the folder 'work' is made at replay and belongs to it")),
        ("path_reserved", any(part.split(".")[0].lower() in RESERVED_NAMES for part in path.split("/")), _("this name is reserved on some systems")),
    ):  # fmt: skip
        if is_broken:
            raise path_refusal(code, path, rule)


def check_collisions(paths: Iterable[str]) -> None:
    """No two paths may be the same file on a system that ignores case."""
    seen: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            prefix = "/".join(parts[:depth])
            folded = unicodedata.normalize("NFKC", prefix).casefold()
            if seen.setdefault(folded, prefix) != prefix:
                raise path_refusal(
                    "path_collision",
                    path,
                    _("it collides with {other} where case is ignored").format(other=seen[folded]),
                )


def path_refusal(code: str, path: str, rule: str) -> PackageError:
    shown = path.encode("unicode_escape").decode()[:200] if not path.isprintable() else path[:200]
    return PackageError(
        code,
        _("{path}: {rule}.").format(path=shown or "''", rule=rule),
        file=shown,
        advice=_("Rename or remove it and pack again."),
    )
