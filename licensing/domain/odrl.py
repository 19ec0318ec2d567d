"""Terms and offers as ODRL 2.2 in JSON-LD (W3C Recommendation; https://www.w3.org/TR/odrl-model/).

What ODRL's own vocabulary has no word for (training models, keeping confidential, seats) is in a profile of ours,
``urn:keiken:odrl:1``. A use that is not permitted is prohibited: the terms are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from licensing.domain.rules import Rules
from licensing.domain.spdx import EVERY_USE

CONTEXT: Final = ["http://www.w3.org/ns/odrl.jsonld", {"keiken": "urn:keiken:odrl:1#"}]
PROFILE: Final = "urn:keiken:odrl:1"
ACTIONS: Final = {
    "replay": "execute",
    "read": "read",
    "modify": "modify",
    "derive": "derive",
    "redistribute": "distribute",
    "resell": "sell",
    "train": "keiken:train",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What an offer adds to its terms. ``price`` as ``49.00``; counts are None where nothing limits them."""

    uid: str
    targets: Sequence[str]
    price: str = ""
    currency: str = ""
    per: str = ""
    """``month``, ``year`` or ``replay``; empty for once."""
    grant_days: int | None = None
    seats: int | None = None
    replays_in_month: int | None = None
    versions: str = ""
    expires_at: str = ""


def policy_of(
    *, uid: str, publisher: str, uses: Sequence[str], rules: Rules, text_sha256: str, offered: Offered | None = None
) -> dict[str, Any]:
    """An ``odrl:Set`` of the terms alone, or an ``odrl:Offer`` of what is offered on them."""
    constraints = [*_of_rules(rules), *(_of_offer(offered) if offered else [])]
    common: dict[str, Any] = {"assigner": f"urn:keiken:organization:{publisher}"}
    if offered:
        common["target"] = list(offered.targets)
    permitted = [use for use in EVERY_USE if use in uses]
    permissions = []
    for use in permitted:
        permission = {"action": ACTIONS[use], **common}
        if constraints:
            permission["constraint"] = constraints
        duties = _duties(rules, publisher, offered)
        if duties:
            permission["duty"] = duties
        permissions.append(permission)
    prohibitions = [{"action": ACTIONS[use], **common} for use in EVERY_USE if use not in permitted]
    return {
        "@context": CONTEXT,
        "@type": "Offer" if offered else "Set",
        "uid": offered.uid if offered else uid,
        "profile": PROFILE,
        "permission": permissions,
        **({"prohibition": prohibitions} if prohibitions else {}),
        "keiken:terms": uid,
        "keiken:textSha256": text_sha256,
        **({"keiken:offeredUntil": offered.expires_at} if offered and offered.expires_at else {}),
        **{f"keiken:{name}": value for name, value in _statements(rules).items() if value},
    }


def _constraint(left: str, operator: str, right: Any, **more: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right, **more}


def _of_rules(rules: Rules) -> list[dict[str, Any]]:
    found = [_constraint("recipient", "isA", f"keiken:{rules.audience}")]
    if rules.territory:
        found.append(_constraint("spatial", "isAnyOf", [f"urn:iso:std:iso:3166:-1:{code}" for code in rules.territory]))
    if rules.fields_of_use:
        found.append(_constraint("purpose", "isAnyOf", list(rules.fields_of_use)))
    return found


def _of_offer(offered: Offered) -> list[dict[str, Any]]:
    found = []
    if offered.grant_days is not None:
        found.append(_typed("elapsedTime", "lteq", f"P{offered.grant_days}D", "xsd:duration"))
    if offered.seats is not None:
        found.append(_constraint("keiken:agents", "lteq", offered.seats))
    if offered.replays_in_month is not None:
        found.append(_constraint("count", "lteq", offered.replays_in_month, unit="keiken:perCalendarMonth"))
    if offered.versions:
        found.append(_constraint("version", "isPartOf", offered.versions))
    return found


def _typed(left: str, operator: str, value: str, kind: str) -> dict[str, Any]:
    return _constraint(left, operator, {"@value": value, "@type": kind})


def _duties(rules: Rules, publisher: str, offered: Offered | None) -> list[dict[str, Any]]:
    duties: list[dict[str, Any]] = []
    if offered and offered.price:
        amount = _constraint(
            "payAmount", "eq", {"@value": offered.price, "@type": "xsd:decimal"}, unit=offered.currency
        )
        refinement = [amount] + ([_constraint("keiken:per", "eq", offered.per)] if offered.per else [])
        duties.append({"action": [{"rdf:value": {"@id": "odrl:compensate"}, "refinement": refinement}]})
    if rules.attribution:
        duties.append(
            {
                "action": "attribute",
                "attributedParty": f"urn:keiken:organization:{publisher}",
                "keiken:attribution": rules.attribution,
            }
        )
    if rules.is_confidential:
        duties.append({"action": "keiken:keepConfidential"})
    return duties


def _statements(rules: Rules) -> dict[str, str]:
    return {
        "warranty": rules.warranty,
        "liability": rules.liability,
        "supportContact": rules.support_contact,
    }
