"""Named, digest-pinned root file systems: found in the cache, built when missing, probed from inside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from keiken.errors import SandboxUnavailable, UsageError
from keiken.i18n import _
from keiken.paths import cache_dir
from keiken.sandbox import local, tree
from keiken.sandbox.building import Progress, about, built, common_system, digest_of, newest
from keiken.sandbox.protocol import Environment, Limits
from keiken.sandbox.recipe import Recipe, recipes
from keiken.sandbox.session import NamespaceSandbox

LOCAL = local.NAME
_CHECKED_SECONDS = 600
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
        folder = newest(recipe)
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
    folder = newest(recipe)
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
    return _opened(recipe, built(recipe, progress or (lambda _text: None)))


def build_each(names: Sequence[str], progress: Progress | None = None) -> list[Environment]:
    """Build several at the same time, one more than there are cores: each waits for packages and the disk at times.

    Raises UsageError for an unknown name before any is built, and SandboxUnavailable for the first that cannot be
    built, when those that had begun have ended.
    """
    wanted, say = [_recipe(name) for name in names], progress or (lambda _text: None)
    suites = {recipe.suite for recipe in wanted}
    with contextlib.ExitStack() as kept:
        systems = {
            suite: kept.enter_context(common_system(suite, [one for one in wanted if one.suite == suite], say))
            for suite in sorted(suites)
        }

        def one(recipe: Recipe) -> Environment:
            return _opened(recipe, built(recipe, say, systems[recipe.suite]))

        several = kept.enter_context(ThreadPoolExecutor(min(len(names), (os.cpu_count() or 1) + 1) or 1))
        begun = [several.submit(one, recipe) for recipe in wanted]
        try:
            return [each.result() for each in begun]
        finally:
            several.shutdown(cancel_futures=True)


def probe(name: str) -> Environment:
    """The built environment with facts asked anew from inside it. Raises SandboxUnavailable when it is not built."""
    if name == LOCAL:
        return _local()
    recipe, folder = _recipe(name), newest(_recipe(name))
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
    folder = newest(recipe)
    if folder is None:
        _not_built(name)
    if digest_of(about(folder)["recipe"], tree.listing(folder / "root")) != f"sha256:{folder.name}":
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


def _opened(recipe: Recipe, folder: Path) -> Environment:
    """Check quickly that nothing was changed, add the facts."""
    if time.monotonic() - _checked.get(folder, -_CHECKED_SECONDS) >= _CHECKED_SECONDS:
        if tree.quick_marks(folder / "root") != about(folder).get("marks"):
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
