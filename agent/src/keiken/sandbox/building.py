"""Builds environments from recipes and keeps them: in folders of their own, renamed into place, under a lock.

``cache_dir()/environments/<name>/<digest>/`` holds ``root/``, ``listing.gz`` (what the digest is made over) and
``about.json``. Two at once build once; a killed build leaves only a folder that the next one sweeps.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from keiken.errors import SandboxUnavailable
from keiken.i18n import _
from keiken.paths import cache_dir
from keiken.sandbox import debian, sharing, tree
from keiken.sandbox.recipe import Recipe, recipes

Progress = Callable[[str], None]
_BUILDING = ".building-"
_SYSTEMS = ".systems"
"""Beside the environments, whose names begin with a letter or a digit."""
_NEEDED_MIB = 2048
"""Twice the largest environment that is shipped: mmdebstrap unpacks beside what it has fetched."""


def newest(recipe: Recipe, *, exactly: bool = False) -> Path | None:
    """The newest built folder, of the present recipe if there is one; not ``exactly`` also of an earlier recipe."""
    base = _base(recipe.name)
    if not base.is_dir():
        return None
    built = [(path, about(path)) for path in base.iterdir() if not path.name.startswith(".") and path.is_dir()]
    built.sort(key=lambda pair: (pair[1].get("recipe") == recipe.digest(), pair[1].get("built_at", 0)))
    if not built or (exactly and built[-1][1].get("recipe") != recipe.digest()):
        return None
    return built[-1][0]


def about(folder: Path) -> dict[str, Any]:
    """What was noted of a built folder; nothing where that cannot be read."""
    try:
        content: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def digest_of(recipe_digest: str, lines: Iterator[bytes]) -> str:
    """``sha256:…`` over the recipe and the listing of a root."""
    made = hashlib.sha256(recipe_digest.encode() + b"\n")
    for line in lines:
        made.update(line)
    return "sha256:" + made.hexdigest()


def built(recipe: Recipe, progress: Progress, system: Path | None = None) -> Path:
    """The folder of the very same recipe, built now unless it is there. Raises SandboxUnavailable.

    ``system`` is what ``common_system`` yields.
    """
    debian.check_buildable()
    base = _base(recipe.name)
    base.mkdir(parents=True, exist_ok=True)
    with _locked(base):
        _sweep(base)
        folder = newest(recipe, exactly=True)
        if folder is None:
            with _half_made(base) as made:
                folder = _made(recipe, base, made, progress, system)
    return folder


@contextlib.contextmanager
def common_system(suite: str, several: Sequence[Recipe], progress: Progress) -> Iterator[Path | None]:
    """What all recipes of a suite begin with, made once and gone afterwards; None where fewer than two are to be built.

    Unpacking and configuring it is half of what a build takes. Raises SandboxUnavailable.
    """
    if not _to_be_built(several):
        yield None
        return
    debian.check_buildable()
    base = _base(_SYSTEMS) / suite
    base.mkdir(parents=True, exist_ok=True)
    with _locked(base):
        _sweep(base)
        if _to_be_built(several) < 2:
            yield None
            return
        with _half_made(base) as made:
            debian.build_system(suite, made / "root", progress)
            yield made / "root"


def _to_be_built(several: Sequence[Recipe]) -> int:
    return sum(newest(recipe, exactly=True) is None for recipe in several)


def _base(name: str) -> Path:
    return cache_dir() / "environments" / name


@contextlib.contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Alone in this folder; the lock ends with the process however that ends."""
    fd = os.open(base / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _sweep(base: Path) -> None:
    """Remove what builds that were killed half-way left behind; we hold the lock, so nobody is building."""
    for path in base.glob(f"{_BUILDING}*"):
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _half_made(base: Path) -> Iterator[Path]:
    """A folder to build in, gone afterwards unless it was renamed into place. Raises SandboxUnavailable for lack of
    room.
    """
    if _free_mib(base) < _NEEDED_MIB:
        raise _no_room(base)
    made = base / f"{_BUILDING}{os.getpid()}"
    try:
        made.mkdir(mode=0o755)
        yield made
    except OSError as trouble:
        if trouble.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_room(base) from trouble
    finally:
        if made.exists():
            shutil.rmtree(made, ignore_errors=True)


def _no_room(base: Path) -> SandboxUnavailable:
    return SandboxUnavailable(
        "disk_full",
        _(
            "There is not enough room in {folder} to build an environment ({free} MiB free, {needed} MiB needed)."
        ).format(folder=base, free=_free_mib(base), needed=_NEEDED_MIB),
        _("Free some space, or name another folder in KEIKEN_CACHE_DIR, and build again. Nothing half was kept."),
    )


def _free_mib(folder: Path) -> int:
    return shutil.disk_usage(folder).free >> 20


def _made(recipe: Recipe, base: Path, made: Path, progress: Progress, system: Path | None) -> Path:
    """Build in ``made`` and rename it into place."""
    debian.build_root(recipe, made / "root", progress, system)
    (made / "sources.list").unlink()
    progress(_("{name}: making the digest").format(name=recipe.name))
    lines = list(tree.listing(made / "root"))
    digest = digest_of(recipe.digest(), iter(lines))
    (made / "listing.gz").write_bytes(gzip.compress(b"".join(lines), mtime=0))
    # One after the other, so that of those that are built at the same time each but the first finds something.
    with _locked(base.parent):
        files, size = sharing.share(made / "root", lines, _others(recipe))
        if files:
            progress(_("{name}: shares {count} files ({size} MiB) with other environments").format(
                name=recipe.name, count=files, size=size >> 20))  # fmt: skip
        noted = {"name": recipe.name, "recipe": recipe.digest(), "digest": digest, "built_at": int(time.time()),
                 "marks": tree.quick_marks(made / "root")}  # fmt: skip
        (made / "about.json").write_text(json.dumps(noted, indent=1), encoding="utf-8")
        final = base / digest.removeprefix("sha256:")
        if final.exists():
            _renew(final, made, noted)
        else:
            made.rename(final)
    progress(_("{name}: ready, {digest}").format(name=recipe.name, digest=digest))
    return final


def _renew(final: Path, made: Path, noted: dict[str, Any]) -> None:
    """The same bits under an earlier time stamp: they stay, and are the newest now."""
    (made / "about.json").rename(final / "about.json.new")
    shutil.rmtree(made)
    noted["marks"] = tree.quick_marks(final / "root")
    (final / "about.json.new").write_text(json.dumps(noted, indent=1), encoding="utf-8")
    (final / "about.json.new").rename(final / "about.json")


def _others(recipe: Recipe) -> list[Path]:
    """The folders of what is built already: its base first, then whatever may have something in common."""
    names = sorted(recipes(), key=lambda name: (name != recipe.base, name))
    folders = [newest(recipes()[name]) for name in names]
    return [folder for folder in folders if folder is not None]
