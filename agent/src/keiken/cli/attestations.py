"""``keiken attestations``: who says that it works, and whether that can be believed."""

from __future__ import annotations

import click

from keiken.cli.command import Command, pass_terminal
from keiken.cli.market import claim_document, claim_table, passing
from keiken.cli.terminal import Terminal
from keiken.client import Login, Reference, claims_of, find, pins, saved_login, verified_claims
from keiken.errors import TrustError, UsageError
from keiken.i18n import _
from keiken.trust import Claim


@click.command(
    "attestations", cls=Command, help=_("Verify the signed statements about a version: signature, digest and verdict.")
)
@click.argument("reference", metavar="ORG/NAME[@VERSION]")
@click.option("--offline", is_flag=True, help=_("With what was pulled and the pinned keys only; no network."))
@pass_terminal
def command(terminal: Terminal, reference: str, offline: bool) -> None:
    login, wanted = saved_login(), Reference.parse(reference)
    if offline:
        exact, digest, claims = _from_disk(login, wanted)
    else:
        with terminal.working(_("fetching the statements")):
            exact, digest, claims = _from_server(login, wanted)
    _require_passing(exact, claims)
    document = {
        "reference": str(exact),
        "digest": digest,
        "offline": offline,
        "verified": True,
        "proven_in": [claim.environment for claim in passing(claims)],
        "claims": [claim_document(claim) for claim in claims],
    }
    shown = _("{reference}: every statement is signed with a pinned key and is about {digest}.")
    terminal.answer(document, shown.format(reference=exact, digest=digest), claim_table(claims))


def _from_disk(login: Login, wanted: Reference) -> tuple[Reference, str, list[Claim]]:
    pulled = find(login.server, wanted)
    return pulled.reference, pulled.digest, verified_claims(pulled, pins().keys(login.server))


def _from_server(login: Login, wanted: Reference) -> tuple[Reference, str, list[Claim]]:
    """The statements as the marketplace gives them; a package that was pulled is held against them too."""
    with login.client() as client:
        keys = pins().accept(client.server, [offered.as_json() for offered in client.signing_keys()])
        version = client.version(wanted)
        exact = wanted.at(version.version)
        envelopes = [item.envelope for item in client.attestations(exact).attestations]
    try:
        pulled = find(login.server, exact)
    except UsageError:
        pulled = None
    if pulled is not None and pulled.digest == version.digest:
        verified_claims(pulled, keys)
    return exact, version.digest, claims_of(envelopes, exact, version.digest, keys) if envelopes else []


def _require_passing(reference: Reference, claims: list[Claim]) -> None:
    if not passing(claims):
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
