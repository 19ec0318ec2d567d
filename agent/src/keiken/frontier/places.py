"""Making the places real: variables of the sandbox, roots without a tool, other environments. Probed, not believed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from keiken.errors import SandboxUnavailable
from keiken.frontier.plan import dated_library, tool_paths
from keiken.frontier.record import Flip
from keiken.i18n import _
from keiken.paths import cache_dir
from keiken.sandbox import environments
from keiken.sandbox.protocol import Driver, Environment, Limits


class Unflippable(Exception):
    """This place cannot be had here; the text says why."""


class Places:
    """Opens places around one environment. What is made for them lies in one folder, removed at the end."""

    def __init__(
        self, base: Environment, others: Mapping[str, Environment], tools: Sequence[str], driver: Driver
    ) -> None:
        self.base, self.others, self.tools, self.driver = base, others, tools, driver
        self._stack = contextlib.ExitStack()
        self._linked: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def at(self, flips: Sequence[Flip]) -> Iterator[Environment]:
        """The environment with these flips and the facts that hold there. Raises Unflippable, SandboxUnavailable."""
        start = self.base
        for flip in flips:
            if flip.axis == "release":
                start = self.others[flip.value]
        gone = [flip.value for flip in flips if flip.axis == "tool"]
        variables: dict[str, str] = {}
        for flip in flips:
            variables |= _variables(flip, start.root)
        with contextlib.ExitStack() as stack:
            root = stack.enter_context(self._without(gone)) if gone else start.root
            digest = _digest(start.digest, variables, gone) if variables or gone else start.digest
            place = replace(start, root=root, digest=digest, variables=variables)
            place = replace(place, facts=environments.probed(place, self.tools))
            for flip in flips:
                self._see(flip, place)
            yield place

    @contextlib.contextmanager
    def _without(self, names: Sequence[str]) -> Iterator[Path]:
        """A root of hard links in which these tools are not there."""
        root = self._links()
        paths = [path for name in names for path in tool_paths(root, name)]
        for path in paths:
            (root / path).unlink()
        try:
            yield root
        finally:
            for path in paths:
                os.link(self.base.root / path, root / path, follow_symlinks=False)

    def _links(self) -> Path:
        if self._linked is None:
            try:
                parent = cache_dir() / "places"
                parent.mkdir(parents=True, exist_ok=True)
                folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="place-", dir=parent))
                Path(folder).chmod(0o755)
                root = Path(folder) / "root"
                shutil.copytree(self.base.root, root, symlinks=True, copy_function=_link)
            except (OSError, shutil.Error) as trouble:
                raise Unflippable(
                    _("No tool can be taken away here: {trouble}").format(trouble=str(trouble)[:200])
                ) from trouble
            self._linked = root
        return self._linked

    def _see(self, flip: Flip, place: Environment) -> None:
        """Ask inside whether the flip is real. Raises Unflippable."""
        if flip.axis == "tool" and place.facts.get(f"tool.{flip.value}") is not None:
            raise Unflippable(_("It is still there by another path."))
        is_unicode = flip.axis == "locale" and flip.value.lower().endswith(("utf8", "utf-8"))
        if is_unicode and _said(self.driver, place, ["locale", "charmap"]).strip() != "UTF-8":
            # What cannot be loaded silently counts as C, whose characters are ASCII.
            raise Unflippable(_("The locale does not work inside."))
        if flip.axis == "date":
            years = [_said(self.driver, replace(place, variables=v), ["date", "+%s"]) for v in ({}, place.variables)]
            now, then = (int(text) if text.strip().isdigit() else 0 for text in years)
            if abs(then - now - int(flip.value) * 86_400) > 3_600:
                raise Unflippable(_("The clock inside did not follow."))


def _link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def _variables(flip: Flip, root: Path) -> dict[str, str]:
    if flip.axis == "locale":
        return {"LANG": flip.value}
    if flip.axis == "time_zone":
        return {"TZ": flip.value}
    if flip.axis == "date":
        library = dated_library(root)
        if library is None:
            raise Unflippable(_("The environment has no libfaketime, so nobody could be shown another date."))
        return {"LD_PRELOAD": library, "FAKETIME": f"+{flip.value}d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {}


def _said(driver: Driver, place: Environment, argv: Sequence[str]) -> str:
    """What a command prints there."""
    with tempfile.TemporaryDirectory(prefix="keiken-place-") as folder:
        Path(folder).chmod(0o755)
        sandbox = driver.open(
            environment=place, package=Path(folder), commands=[argv[0]], network=(), limits=Limits(wall_seconds=30)
        )
        try:
            result = sandbox.run(argv, env={}, stdin=b"", timeout_seconds=10)
        finally:
            sandbox.close()
    if result.reason not in ("exited", "not_found"):
        raise SandboxUnavailable("place_not_probed", _("A place could not be looked at."), _("Try again."))
    return result.stdout.decode(errors="replace")


def _digest(base: str, variables: Mapping[str, str], gone: Sequence[str]) -> str:
    parts: list[Any] = [base, sorted(variables.items()), sorted(gone)]
    return "sha256:" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()
