"""What several commands do with the marketplace: pull, and say where something is proven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keiken.cli.terminal import Terminal, table, word
from keiken.client import Login, Pulled, Reference, pins, pull, standing
from keiken.i18n import _
from keiken.trust import Claim


def pulled_now(
    terminal: Terminal, login: Login, reference: Reference, *, fresh: bool = False
) -> tuple[Pulled, list[Claim]]:
    """Pull it, taking up keys that a pinned one vouches for. Raises what ``keiken.client.pull`` raises."""
    with terminal.working(_("pulling {reference}").format(reference=reference)), login.client() as client:
        keys = pins().accept(client.server, [offered.as_json() for offered in client.signing_keys()])
        return pull(client, reference, keys=keys, fresh=fresh)


def passing(claims: Sequence[Claim]) -> list[Claim]:
    """The claims that hold now and say ``passed``, one for each such environment."""
    return [claim for claim in standing(claims).values() if claim.is_passing]


def claim_document(claim: Claim) -> dict[str, Any]:
    return {
        "environment": claim.environment,
        "environment_digest": claim.environment_digest,
        "isolation": claim.isolation,
        "verdict": claim.verdict,
        "scenarios": dict(claim.scenarios),
        "verified_at": claim.verified_at,
        "replayer": claim.replayer,
    }


def claim_table(claims: Sequence[Claim]) -> Any:
    rows = [
        (claim.environment, word(claim.verdict), claim.isolation, len(claim.scenarios), claim.verified_at)
        for claim in claims
    ]
    return table([_("environment"), _("verdict"), _("isolation"), _("scenarios"), _("when")], rows)
