"""``keiken attestations``: who says that it works, and whether that can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.market import claim_document, claim_table, passing, refuse_expired
from keiken.cli.terminal import Terminal
from keiken.client import Login, Proofs, Reference, check_proofs, find, pins, saved_login, verified_claims
from keiken.client.bundles import bundle_of, read_bundle, subject_of
from keiken.client.log_memory import compare_offline, remember
from keiken.client.proofs import enough_signatures, independent_proofs, proving, require_logged
from keiken.client.pulled import kept_statements
from keiken.errors import TrustError, UsageError
from keiken.i18n import _
from keiken.trust import Claim, PublicKey
from keiken.trust.keyring import Keyring


@dataclass(frozen=True)
class _Found:
    """What is to be judged: the document as it was given, and what of it was checked."""

    reference: Reference
    digest: str
    document: dict[str, Any]
    proofs: Proofs


@click.command(
    "attestations",
    cls=Command,
    help=_("Verify the signed statements about a version: signatures, digest, public log, summary and verdict."),
)
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--offline", is_flag=True, help=_("With what was pulled and the pinned keys only; no network."))
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help=_("Verify the statements in this file, without any network."),
)
@click.option(
    "--export", type=click.Path(path_type=Path, dir_okay=False), help=_("Write the verified statements to a file.")
)
@click.option("--key", "keys", multiple=True, metavar="KEY", help=_("A public key (base64) whose signature counts."))
@click.option("--require", type=click.IntRange(1), help=_("So many of the named keys must have signed that it passed."))
@click.option(
    "--max-age", type=click.IntRange(1), metavar="DAYS", help=_("What was verified longer ago counts no longer.")
)
@pass_terminal
def command(
    terminal: Terminal,
    reference: str,
    offline: bool,
    bundle: Path | None,
    export: Path | None,
    keys: tuple[str, ...],
    require: int | None,
    max_age: int | None,
) -> None:
    named = [PublicKey.from_base64(key) for key in keys]
    if require and require > len(set(named)):
        raise UsageError(
            "keys_too_few",
            _("{n} signatures are required of only {keys} keys.").format(n=require, keys=len(set(named))),
            _("Name each key whose signature counts with --key."),
        )
    login, wanted = saved_login(), Reference.parse(reference)
    if bundle is not None:
        found = _from_bundle(login, wanted, bundle, named)
    elif offline:
        found = _from_disk(login, wanted, named)
    else:
        with terminal.working(_("fetching the statements")):
            found = _from_server(login, wanted, named)
    require_logged(found.proofs)
    age = timedelta(days=max_age) if max_age else None
    _require_passing(found.reference, found.proofs.claims, age)
    signed_by = _signed_by(found, named, require or 1, age) if named else []
    if export is not None:
        _export(found, export)
    _answer(terminal, found, signed_by, age, is_offline=offline or bundle is not None, export=export)


def _signed_by(found: _Found, named: list[PublicKey], required: int, max_age: timedelta | None) -> list[PublicKey]:
    """Those of the named keys that say it passed, in the marketplace's statements or in ones of their own."""
    own = independent_proofs(found.document, found.reference, found.digest, named, found.proofs)
    return enough_signatures([*found.proofs.proving(max_age), *proving(own, max_age)], named, required)


def _answer(
    terminal: Terminal,
    found: _Found,
    signed_by: list[PublicKey],
    max_age: timedelta | None,
    *,
    is_offline: bool,
    export: Path | None,
) -> None:
    proofs = found.proofs
    document = {
        "reference": str(found.reference),
        "digest": found.digest,
        "offline": is_offline,
        "verified": True,
        "proven_in": [claim.environment for claim in passing(proofs.claims, max_age)],
        "claims": [{**claim_document(s.claim), "log_index": s.index} for s in proofs.statements],
        "summary": _summary_document(proofs),
        "log": {"origin": proofs.checkpoint.origin, "size": proofs.checkpoint.size} if proofs.checkpoint else None,
        "signed_by": [key.key_id for key in signed_by],
        "exported": str(export) if export else None,
    }
    shown = _("{reference}: every statement is signed with a pinned key and is about {digest}.")
    logged = _("All of them are in the public log {origin}, which had {size} entries.")
    lines: list[Any] = [claim_table(proofs.claims)]
    if proofs.checkpoint:
        lines.append(logged.format(origin=proofs.checkpoint.origin, size=proofs.checkpoint.size))
    if signed_by:
        names = ", ".join(key.key_id[:16] for key in signed_by)
        lines.append(_("Signed as passed by these of your keys: {names}").format(names=names))
    terminal.answer(document, shown.format(reference=found.reference, digest=found.digest), *lines)


def _summary_document(proofs: Proofs) -> dict[str, Any] | None:
    summary = proofs.summary
    if summary is None:
        return None
    return {
        "result": "PASSED" if summary.is_passing else "FAILED",
        "verifier": summary.verifier,
        "environments": dict(summary.environments),
        "verified_at": summary.verified_at,
        "valid_until": summary.valid_until,
        "log_index": proofs.summary_index,
    }


def _ring(login: Login, named: list[PublicKey]) -> Keyring:
    return _with(pins().keys(login.server), named)


def _with(ring: Keyring, named: list[PublicKey]) -> Keyring:
    """Also the keys that were named by hand, unless the marketplace's own list knows better about them."""
    more = [key for key in named if key not in ring.revoked]
    return Keyring([*ring, *more], revoked=ring.revoked, retired=ring.retired)


def _from_disk(login: Login, wanted: Reference, named: list[PublicKey]) -> _Found:
    pulled = find(login.server, wanted)
    ring = _ring(login, named)
    verified_claims(pulled, ring)
    document = kept_statements(pulled)
    proofs = check_proofs(document, pulled.reference, pulled.digest, ring)
    if proofs.checkpoint:
        compare_offline(login.server, proofs.checkpoint)
    return _Found(pulled.reference, pulled.digest, document, proofs)


def _from_bundle(login: Login, wanted: Reference, path: Path, named: list[PublicKey]) -> _Found:
    """The subject is what the signed summary says; a package that was pulled is held against it."""
    document = read_bundle(path.read_bytes())
    name, digest = subject_of(document)
    found = Reference.parse(name)
    if found.experience != wanted.experience or wanted.version not in ("", found.version):
        raise TrustError(
            "subject_mismatch",
            _("The statement is about {found}, not about {expected}.").format(found=found, expected=wanted),
            _("Ask for the bundle of the package you mean."),
        )
    proofs = check_proofs(document, found, digest, _ring(login, named))
    if proofs.checkpoint:
        compare_offline(login.server, proofs.checkpoint)
    try:
        pulled = find(login.server, found)
    except UsageError:
        pulled = None
    if pulled is not None:
        check_proofs(document, found, pulled.digest, _ring(login, named))
    return _Found(found, digest, document, proofs)


def _from_server(login: Login, wanted: Reference, named: list[PublicKey]) -> _Found:
    """The statements as the marketplace gives them; a package that was pulled is held against them too."""
    with login.client() as client:
        pinned = pins().accept(client.server, [offered.as_json() for offered in client.signing_keys()])
        version = client.version(wanted)
        exact = wanted.at(version.version)
        document = client.attestations(exact).as_json()
        proofs = check_proofs(document, exact, version.digest, _with(pinned, named))
        if document["checkpoint"]:
            remember(client, document["checkpoint"], pinned)
    try:
        pulled = find(login.server, exact)
    except UsageError:
        pulled = None
    if pulled is not None and pulled.digest == version.digest:
        verified_claims(pulled, pinned)
    return _Found(exact, version.digest, document, proofs)


def _export(found: _Found, path: Path) -> None:
    summary = found.proofs.summary
    if summary is None:
        raise TrustError(
            "summary_missing",
            _("{reference} has no signed summary yet, so nothing would show that a bundle is whole.").format(
                reference=found.reference
            ),
            _("Export it after its next verification."),
        )
    path.write_text(bundle_of(found.document, summary.inputs), encoding="utf-8")


def _require_passing(reference: Reference, claims: list[Claim], max_age: timedelta | None) -> None:
    refuse_expired(reference, claims, max_age)
    if not passing(claims, max_age):
        raise TrustError(
            "no_passing_attestation",
            _("No statement that holds now says that {reference} passed: {found}.").format(
                reference=reference,
                found=", ".join(f"{claim.environment} {claim.verdict}" for claim in claims) or _("there is none"),
            ),
            _("Look at its verdicts with 'keiken show {reference}', and pull again once it is proven.").format(
                reference=reference
            ),
            {"claims": [claim_document(claim) for claim in claims]},
        )
