"""Which paths a package may hold: names that mean the same on every system, and nothing that leads elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from keiken.errors import PackageError
from keiken.i18n import _
from keiken.package.rules import refusal

FILES_LIMIT = 2_000
FOLDERS_LIMIT = 2_000
TOTAL_BYTES_LIMIT = 32 << 20
FILE_BYTES_LIMIT = 8 << 20
DEPTH_LIMIT = 12
PATH_BYTES_LIMIT = 240
PREFIX_BYTES, NAME_BYTES = 155, 100
"""The two fields of a ustar header that hold a path; longer ones would need extensions of the tar format."""

LEFT_OUT = {
    ".git", ".hg", ".svn", ".ds_store", "thumbs.db", "__pycache__", ".venv", "node_modules",
    ".pytest_cache", ".mypy_cache", ".ruff_cache", ".idea", ".vscode",
}  # fmt: skip
LEFT_OUT_SUFFIXES = ("~", ".swp", ".swo", ".pyc")
_RESERVED_TOP = "work"
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}
_INVISIBLE = {"Cc", "Cf", "Co", "Zl", "Zp"}
_ADVICE = "Rename or remove it and pack again."


def is_left_out(name: str) -> bool:
    """Whether a file or folder of this name is never part of a package."""
    folded = name.casefold()
    is_lock = folded.startswith(".#") or (folded.startswith("#") and folded.endswith("#"))
    return folded in LEFT_OUT or folded.endswith(LEFT_OUT_SUFFIXES) or is_lock


def check_path(path: str) -> None:
    """Raises PackageError with a ``path_…`` code that names the path and the rule."""
    for code, is_broken, why in _verdicts(path):
        if is_broken:
            raise path_refusal(code, path, why)


def _verdicts(path: str) -> Iterator[tuple[str, bool, str]]:
    parts = path.split("/")
    yield "path_encoding", any("\ud800" <= c <= "\udfff" for c in path), _("names must be UTF-8")
    yield "path_empty", path == "", _("a name may not be empty")
    invisible = any(unicodedata.category(c) in _INVISIBLE for c in path)
    yield "path_control_character", invisible, _("control and invisible characters are not allowed in names")
    yield "path_absolute", path.startswith("/") or path[1:2] == ":", _("paths are relative to the package")
    yield "path_character", bool(set(path) & set('\\:*?"<>|')), _('the characters \\ : * ? " < > | are not allowed')
    dots = any(part in ("", ".", "..") for part in parts)
    yield "path_traversal", dots, _("'.', '..' and empty parts are not allowed")
    yield "path_not_normalized", not unicodedata.is_normalized("NFC", path), _("names must be in Unicode form NFC")
    yield "path_too_long", split(path) is None, _("it is too long; paths have at most 240 bytes and names at most 100")
    yield "path_too_deep", len(parts) > DEPTH_LIMIT, _("folders are nested at most 12 deep")
    at_top = parts[0].casefold() == _RESERVED_TOP
    yield "path_reserved", at_top, _("the folder 'work' is made at replay and belongs to it")
    taken = any(part.split(".")[0].rstrip().casefold() in _RESERVED or part[-1:] in ". " for part in parts)
    yield "path_reserved", taken, _("some systems cannot hold such a name")
    yield "path_left_out", any(map(is_left_out, parts)), _("this is never part of a package")


def split(path: str) -> tuple[bytes, bytes] | None:
    """The path as the prefix and name of a ustar header; None where it does not fit."""
    encoded = path.encode("utf-8", "surrogatepass")
    if len(encoded) > PATH_BYTES_LIMIT:
        return None
    if len(encoded) <= NAME_BYTES:
        return b"", encoded
    slash = encoded.find(b"/", len(encoded) - NAME_BYTES - 1)
    if slash < 0 or slash > PREFIX_BYTES or slash == len(encoded) - 1:
        return None
    return encoded[:slash], encoded[slash + 1 :]


def check_collisions(files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """No two paths may be the same where case or Unicode form is ignored, nor one a file and a folder."""
    seen: dict[str, tuple[str, bool]] = {}
    for path, is_file in [*((path, True) for path in files), *((path, False) for path in folders)]:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            prefix, ends = "/".join(parts[:depth]), is_file and depth == len(parts)
            folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", prefix).casefold())
            other = seen.setdefault(folded, (prefix, ends))
            if other != (prefix, ends):
                why = _("it collides with {other}, at least where case is ignored").format(other=other[0])
                raise path_refusal("path_collision", path, why)


def shown(path: str) -> str:
    """The path as it can be printed anywhere."""
    safe = path if path.isprintable() else path.encode("unicode_escape").decode()
    return safe[:200] or "''"


def path_refusal(code: str, path: str, why: str) -> PackageError:
    return refusal(code, why, file=shown(path), advice=_(_ADVICE))
