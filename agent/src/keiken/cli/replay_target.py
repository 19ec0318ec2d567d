"""What is replayed: a folder or an archive of one's own, or a pulled package, verified offline before it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keiken.cli.market import claim_document, passing, pulled_now, refuse_expired
from keiken.cli.packages import opened, unpacked
from keiken.cli.terminal import Terminal
from keiken.client import Login, Pulled, Reference, find, pins, require_license, saved_login, verified_claims
from keiken.errors import TrustError, UsageError
from keiken.i18n import _
from keiken.package import Package
from keiken.package.watermark import original
from keiken.trust.licenses import License


@dataclass(frozen=True)
class Target:
    """``reference`` is empty for a folder; ``proven_in`` the signed, passing verdicts that hold now."""

    package: Package
    reference: str = ""
    proven_in: tuple[dict[str, Any], ...] = ()
    license: License | None = None
    """None for one's own."""


@contextlib.contextmanager
def target_named(terminal: Terminal, text: str, *, allow_unverified: bool) -> Iterator[Target]:
    """Raises UsageError, PackageError, TrustError, and when it must be pulled what that raises."""
    path = Path(text)
    reference = _reference(text, path)
    if reference is None:
        with opened(path) as package:
            yield Target(package)
        return
    login = saved_login()
    pulled = _pulled(terminal, login, reference)
    license = None
    if pulled.is_licensed:
        license = require_license(login, pulled.reference, pins().keys(pulled.server))
    proven = _proof(pulled, allow_unverified=allow_unverified)
    with unpacked(original(pulled.archive.read_bytes())) as package:
        if package.digest != pulled.digest:
            # It was changed between being verified and being read.
            raise TrustError(
                "digest_mismatch",
                _("{file} was changed just now.").format(file=pulled.archive),
                _("Fetch it again with 'keiken pull --fresh {reference}'.").format(reference=pulled.reference),
            )
        names = ", ".join(item["environment"] for item in proven) or _("no environment")
        terminal.note(_("{reference}, signed as proven in {names}").format(reference=pulled.reference, names=names))
        yield Target(package, pulled.reference.experience, tuple(proven), license)


def _reference(text: str, path: Path) -> Reference | None:
    """The reference, or None for a path. A folder written like a reference is a folder, unless both are there."""
    is_path = text.startswith((".", "/", "~")) or path.is_file() or "/" not in text
    try:
        reference = None if is_path else Reference.parse(text)
    except UsageError:
        if path.exists():
            return None
        raise
    if reference is None or not path.is_dir():
        return reference
    with contextlib.suppress(UsageError):
        find(saved_login().server, reference)
        raise _Ambiguous(text)
    return None


class _Ambiguous(TrustError):
    def __init__(self, text: str) -> None:
        super().__init__(
            "reference_ambiguous",
            _("'{text}' is a folder here and also something you have pulled.").format(text=text),
            _("Write ./{text} for the folder, or name the version: ORG/NAME@1.2.3.").format(text=text),
        )


def _pulled(terminal: Terminal, login: Login, reference: Reference) -> Pulled:
    """What was pulled before, without any network; else it is pulled now."""
    try:
        return find(login.server, reference)
    except UsageError:
        return pulled_now(terminal, login, reference)[0]


def _proof(pulled: Pulled, *, allow_unverified: bool) -> list[dict[str, Any]]:
    """Where it is proven. Raises TrustError for anything that does not verify, and where it is proven nowhere."""
    claims = verified_claims(pulled, pins().keys(pulled.server))
    proven = [claim_document(claim) for claim in passing(claims)]
    if not proven and not allow_unverified:
        refuse_expired(pulled.reference, claims)
        raise TrustError(
            "no_passing_attestation",
            _("No signed statement that holds now says that {reference} passed.").format(reference=pulled.reference),
            _("Pull it again once it is proven, or replay it unproven with --allow-unverified."),
            {"claims": [claim_document(claim) for claim in claims]},
        )
    return proven
