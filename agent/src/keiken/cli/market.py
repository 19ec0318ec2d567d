"""What several commands do with the marketplace: pull, and say where something is proven."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from keiken.cli.terminal import Terminal, table, word
from keiken.client import Login, Pulled, Reference, pins, pull, standing
from keiken.errors import TrustError
from keiken.i18n import _
from keiken.trust import Claim


def pulled_now(
    terminal: Terminal, login: Login, reference: Reference, *, fresh: bool = False
) -> tuple[Pulled, list[Claim]]:
    """Pull it, taking up keys that a pinned one vouches for. Raises what ``keiken.client.pull`` raises."""
    with terminal.working(_("pulling {reference}").format(reference=reference)), login.client() as client:
        keys = pins().accept(client.server, [offered.as_json() for offered in client.signing_keys()])
        return pull(client, reference, keys=keys, fresh=fresh)


def passing(claims: Sequence[Claim], max_age: timedelta | None = None) -> list[Claim]:
    """The claims that hold now, say ``passed`` and have not expired, one for each such environment."""
    now = datetime.now(UTC)
    return [claim for claim in standing(claims).values() if claim.is_passing and not claim.is_expired(now, max_age)]


def refuse_expired(reference: Reference, claims: Sequence[Claim], max_age: timedelta | None = None) -> None:
    """Where it passed and every proof of that is too old. Raises TrustError ``attestation_expired``."""
    old = [claim for claim in standing(claims).values() if claim.is_passing]
    if not old or passing(claims, max_age):
        return
    newest = max(old, key=lambda claim: claim.verified_at)
    raise TrustError(
        "attestation_expired",
        _("What says that {reference} passed has expired: it was last verified at {when}.").format(
            reference=reference, when=newest.verified_at
        ),
        _("Fetch newer statements with 'keiken pull {reference}', or ask for it to be proven again.").format(
            reference=reference
        ),
        {"claims": [claim_document(claim) for claim in claims]},
    )


def claim_document(claim: Claim) -> dict[str, Any]:
    return {
        "environment": claim.environment,
        "environment_digest": claim.environment_digest,
        "isolation": claim.isolation,
        "verdict": claim.verdict,
        "scenarios": dict(claim.scenarios),
        "verified_at": claim.verified_at,
        "valid_until": claim.valid_until,
        "is_expired": claim.is_expired(datetime.now(UTC)),
        "replayer": claim.replayer,
    }


def claim_table(claims: Sequence[Claim]) -> Any:
    rows = [
        (claim.environment, word(claim.verdict), claim.isolation, len(claim.scenarios), claim.verified_at)
        for claim in claims
    ]
    return table([_("environment"), _("verdict"), _("isolation"), _("scenarios"), _("when")], rows)
