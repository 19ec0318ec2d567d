"""Named, digest-pinned root file systems: found in the cache, built when missing, probed from inside.

``cache_dir()/environments/<name>/<digest>/`` holds ``root/``, ``listing`` (what the digest is made over) and
``about.json``.
A build happens in a folder of its own and is renamed into place, under a lock: two at once build once, a killed one
leaves
only a folder that the next one sweeps.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from keiken.errors import SandboxUnavailable, UsageError
from keiken.i18n import _
from keiken.paths import cache_dir
from keiken.sandbox import debian, local, sharing, tree
from keiken.sandbox.protocol import Environment, Limits
from keiken.sandbox.recipe import Recipe, recipes
from keiken.sandbox.session import NamespaceSandbox

Progress = Callable[[str], None]
LOCAL = local.NAME
_CHECKED_SECONDS = 600
_BUILDING = ".building-"
_NEEDED_MIB = 2048
"""Twice the largest environment that is shipped: mmdebstrap unpacks beside what it has fetched."""
_checked: dict[Path, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line of ``available``: a recipe, and its newest built environment if there is one."""

    name: str
    description: str
    built: bool
    digest: str = ""
    on_request: bool = False


def available() -> list[Listed]:
    """Every recipe and ``local``, in order of name. Nothing is built or probed."""
    rows = []
    for recipe in recipes().values():
        folder = _newest(recipe)
        digest = f"sha256:{folder.name}" if folder else ""
        rows.append(
            Listed(name=recipe.name, description=recipe.description, built=folder is not None, digest=digest,
                   on_request=recipe.on_request)
        )  # fmt: skip
    rows.append(Listed(name=LOCAL, description=_("This machine's own /usr, read-only."), built=True))
    return sorted(rows, key=lambda row: row.name)


def get(name: str) -> Environment:
    """The newest built environment of this name; builds it when it can. Raises SandboxUnavailable, saying what to
    install.
    """
    if name == LOCAL:
        return _local()
    recipe = _recipe(name)
    folder = _newest(recipe)
    if folder is None:
        return build(name)
    return _opened(recipe, folder)


def get_or_local(name: str) -> Environment:
    """``get``; on a machine that cannot build it ``local``, which is then named as such."""
    try:
        return get(name)
    except SandboxUnavailable as unavailable:
        if unavailable.code not in ("environment_not_buildable", "environment_build_failed"):
            raise
        return _local()


def build(name: str, progress: Progress | None = None) -> Environment:
    """Build the environment unless the very same recipe is built already. Raises SandboxUnavailable."""
    recipe = _recipe(name)
    base = _base(name)
    debian.check_buildable()
    base.mkdir(parents=True, exist_ok=True)
    with _locked(base):
        _sweep(base)
        folder = _newest(recipe, exactly=True)
        if folder is None:
            folder = _build(recipe, base, progress or (lambda _text: None))
    return _opened(recipe, folder)


def build_each(names: Sequence[str], progress: Progress | None = None) -> list[Environment]:
    """Build several at the same time, one more than there are cores: each waits for packages and the disk at times.

    Raises UsageError for an unknown name before any is built, and SandboxUnavailable for the first that cannot be
    built, when those that had begun have ended.
    """
    for name in names:
        _recipe(name)
    with ThreadPoolExecutor(min(len(names), (os.cpu_count() or 1) + 1) or 1) as several:
        begun = [several.submit(build, name, progress) for name in names]
        try:
            return [one.result() for one in begun]
        finally:
            several.shutdown(cancel_futures=True)


def probe(name: str) -> Environment:
    """The built environment with facts asked anew from inside it. Raises SandboxUnavailable when it is not built."""
    if name == LOCAL:
        return _local()
    recipe, folder = _recipe(name), _newest(_recipe(name))
    if folder is None:
        _not_built(name)
    (folder / "facts.json").unlink(missing_ok=True)
    return _opened(recipe, folder)


def _not_built(name: str) -> NoReturn:
    raise SandboxUnavailable(
        "environment_not_built",
        _("The environment '{name}' is not built.").format(name=name),
        _("Run 'keiken environments build {name}'.").format(name=name),
    )


def verify(name: str) -> None:
    """Read every file of the environment and compare with its digest. Raises SandboxUnavailable when one differs."""
    if name == LOCAL:
        return
    recipe = _recipe(name)
    folder = _newest(recipe)
    if folder is None:
        _not_built(name)
    if _digest(_about(folder)["recipe"], tree.listing(folder / "root")) != f"sha256:{folder.name}":
        _damaged(name, folder)


def _recipe(name: str) -> Recipe:
    try:
        return recipes()[name]
    except KeyError:
        raise UsageError(
            "unknown_environment",
            _("There is no environment '{name}'.").format(name=name),
            _("Use one of: {names}.").format(names=", ".join([*sorted(recipes()), LOCAL])),
        ) from None


def _base(name: str) -> Path:
    return cache_dir() / "environments" / name


def _newest(recipe: Recipe, *, exactly: bool = False) -> Path | None:
    """The newest built folder, of the present recipe if there is one; not ``exactly`` also of an earlier recipe."""
    base = _base(recipe.name)
    if not base.is_dir():
        return None
    built = [(path, _about(path)) for path in base.iterdir() if not path.name.startswith(".") and path.is_dir()]
    built.sort(key=lambda pair: (pair[1].get("recipe") == recipe.digest(), pair[1].get("built_at", 0)))
    if not built or (exactly and built[-1][1].get("recipe") != recipe.digest()):
        return None
    return built[-1][0]


def _about(folder: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


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
        _unmount_below(path)
        shutil.rmtree(path, ignore_errors=True)


def _unmount_below(path: Path) -> None:
    """A killed mmdebstrap may have left /proc or /dev mounted in its half-made root."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    from keiken.sandbox import linux

    for point in sorted((m for m in mounted if m.startswith(f"{path}/")), reverse=True):
        with contextlib.suppress(OSError):
            linux.unmount(point)


def _build(recipe: Recipe, base: Path, progress: Progress) -> Path:
    made = base / f"{_BUILDING}{os.getpid()}"
    try:
        made.mkdir(mode=0o755)
        return _made(recipe, base, made, progress)
    except OSError as trouble:
        if trouble.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _no_room(base) from trouble
    finally:
        if made.exists():  # not renamed into place, so it failed
            _unmount_below(made)
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


def _made(recipe: Recipe, base: Path, made: Path, progress: Progress) -> Path:
    """Build in ``made`` and rename it into place."""
    if _free_mib(base) < _NEEDED_MIB:
        raise _no_room(base)
    debian.build_root(recipe, made / "root", progress)
    (made / "sources.list").unlink()
    progress(_("{name}: making the digest").format(name=recipe.name))
    lines = list(tree.listing(made / "root"))
    digest = _digest(recipe.digest(), iter(lines))
    (made / "listing.gz").write_bytes(gzip.compress(b"".join(lines), mtime=0))
    # One after the other, so that of those that are built at the same time each but the first finds something.
    with _locked(base.parent):
        files, size = sharing.share(made / "root", lines, _others(recipe))
        if files:
            progress(_("{name}: shares {count} files ({size} MiB) with other environments").format(
                name=recipe.name, count=files, size=size >> 20))  # fmt: skip
        about = {"name": recipe.name, "recipe": recipe.digest(), "digest": digest, "built_at": int(time.time()),
                 "marks": tree.quick_marks(made / "root")}  # fmt: skip
        (made / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        final = base / digest.removeprefix("sha256:")
        if final.exists():
            _renew(final, made, about)
        else:
            made.rename(final)
    progress(_("{name}: ready, {digest}").format(name=recipe.name, digest=digest))
    return final


def _renew(final: Path, made: Path, about: dict[str, Any]) -> None:
    """The same bits under an earlier time stamp: they stay, and are the newest now."""
    (made / "about.json").rename(final / "about.json.new")
    shutil.rmtree(made)
    about["marks"] = tree.quick_marks(final / "root")
    (final / "about.json.new").write_text(json.dumps(about, indent=1), encoding="utf-8")
    (final / "about.json.new").rename(final / "about.json")


def _others(recipe: Recipe) -> list[Path]:
    """The folders of what is built already: its base first, then whatever may have something in common."""
    names = sorted(recipes(), key=lambda name: (name != recipe.base, name))
    folders = [_newest(recipes()[name]) for name in names]
    return [folder for folder in folders if folder is not None]


def _digest(recipe_digest: str, lines: Iterator[bytes]) -> str:
    made = hashlib.sha256(recipe_digest.encode() + b"\n")
    for line in lines:
        made.update(line)
    return "sha256:" + made.hexdigest()


def _opened(recipe: Recipe, folder: Path) -> Environment:
    """Check quickly that nothing was changed, add the facts."""
    if time.monotonic() - _checked.get(folder, -_CHECKED_SECONDS) >= _CHECKED_SECONDS:
        if tree.quick_marks(folder / "root") != _about(folder).get("marks"):
            _damaged(recipe.name, folder)
        _checked[folder] = time.monotonic()
    environment = Environment(name=recipe.name, digest=f"sha256:{folder.name}", root=folder / "root")
    facts = _kept_facts(environment, folder / "facts.json", recipe.probes)
    return Environment(name=environment.name, digest=environment.digest, root=environment.root, facts=facts)


def _damaged(name: str, folder: Path) -> None:
    raise SandboxUnavailable(
        "environment_damaged",
        _("Files of the environment '{name}' were changed after it was built.").format(name=name),
        _("Remove {folder} and build it again with 'keiken environments build {name}'.").format(
            folder=folder, name=name
        ),
    )


def _local() -> Environment:
    """The machine's own ``/usr``; its digest is made over its probed facts, for its files are the machine's affair."""
    root = local.skeleton(cache_dir() / "environments")
    blank = Environment(name=LOCAL, digest="", root=root)
    probes = sorted({tool for recipe in recipes().values() for tool in recipe.probes if not recipe.on_request})
    facts = probed(blank, probes)
    digest = "sha256:" + hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return Environment(name=LOCAL, digest=digest, root=root, facts=facts)


def local_root() -> Environment:
    """``local`` without facts and digest, for our own probes only."""
    return Environment(name=LOCAL, digest="", root=local.skeleton(cache_dir() / "environments"))


def _kept_facts(environment: Environment, path: Path, probes: Sequence[str]) -> Mapping[str, Any]:
    """The facts as probed once inside, probed again when the prober has changed."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("prober") != _prober():
        kept = {"prober": _prober(), "facts": probed(environment, probes)}
        with contextlib.suppress(OSError):  # a plain user may use what root has built
            temporary = path.with_name(f".facts-{os.getpid()}")
            temporary.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
            temporary.rename(path)
    facts: dict[str, Any] = kept["facts"]
    return facts


def _prober() -> str:
    """A name for the present state of the code that probes."""
    import keiken.conditions

    made = hashlib.sha256()
    for path in sorted(Path(keiken.conditions.__file__).parent.glob("*.py")):
        made.update(path.read_bytes())
    return made.hexdigest()


def probed(environment: Environment, tools: Sequence[str]) -> dict[str, Any]:
    """The facts of an environment, asked from inside a sandbox. Raises SandboxUnavailable."""
    from keiken.conditions import probe

    sandbox = _any_sandbox(environment)

    def run(argv: Sequence[str]) -> tuple[int, str]:
        result = sandbox.execute(argv, env={}, stdin=b"", timeout_seconds=10, confined=False)
        return result.exit_code, (result.stdout + result.stderr).decode(errors="replace")

    with sandbox:
        return dict(probe(run=run, tools=tuple(tools)))


def _any_sandbox(environment: Environment) -> NamespaceSandbox:
    """Over an empty package, by the first driver that can open one. Raises the first one's SandboxUnavailable."""
    from keiken.sandbox.bubblewrap import BubblewrapDriver
    from keiken.sandbox.oci import OciDriver
    from keiken.sandbox.policy import policy_here

    known: dict[str, BubblewrapDriver | OciDriver] = {"bubblewrap": BubblewrapDriver(), "oci": OciDriver()}
    refused = []
    for name in policy_here().order:
        try:
            return known[name].open(
                environment=environment,
                package=environment.root / "job",
                commands=(),
                network=(),
                limits=Limits(wall_seconds=60),
            )
        except SandboxUnavailable as trouble:
            refused.append(trouble)
    raise refused[0]
