"""Licenses that can be checked without the network: signed tokens, the list of what was taken back, signed receipts.

A token binds one license to a marketplace, an organization, who holds it there, an experience and its versions, uses
and times; Keygen's signed license files are the model. All three documents are DSSE envelopes with types of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from keiken.conditions.versions import in_range
from keiken.errors import Refused, TrustError
from keiken.i18n import _

LICENSE_TYPE: Final = "application/vnd.keiken.license+json"
REVOCATIONS_TYPE: Final = "application/vnd.keiken.revocations+json"
RECEIPT_TYPE: Final = "application/vnd.keiken.receipt+json"
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""By how much two honest clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class License:
    """What a token says. Times are ISO 8601 in UTC; an empty text or None means: no limit."""

    id: str
    server: str
    organization: str
    holder: str
    """The name of the agent or person, as the marketplace calls them."""
    experience: str
    """``organization/name``."""
    versions: str
    """A range like ``>=1.0,<2``."""
    grant: str
    uses: tuple[str, ...]
    issued_at: str
    expires_at: str
    """When it must be fetched anew; the license itself may go on."""
    grant_ends_at: str
    revocations_max_age_seconds: int
    counted: bool
    """Each successful replay is counted, with a receipt signed by ``receipt_key``."""
    month: str
    """``2026-11``: the month that ``replays_left`` is about."""
    replays_left: int | None
    receipt_key: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocations:
    """What a marketplace has taken back. ``grants`` maps license ids to the code they are refused with."""

    number: int
    issued_at: str
    grants: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "grants": dict(self.grants)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One successful replay under a counted license. ``number`` counts on, so that a missing one is seen."""

    token: str
    replay_id: str
    number: int
    version: str
    digest: str
    at: str

    def document(self) -> dict[str, Any]:
        return asdict(self)


def read_license(document: Mapping[str, Any]) -> License:
    """Raises TrustError ``license_malformed``."""
    try:
        wanted = {field.name: document[field.name] for field in fields(License)}
        license = License(**{**wanted, "uses": tuple(map(str, wanted["uses"]))})
        for text in (license.issued_at, license.expires_at, license.grant_ends_at or license.expires_at):
            _moment(text)
    except (KeyError, TypeError, ValueError):
        raise _malformed() from None
    return license


def read_revocations(document: Mapping[str, Any]) -> Revocations:
    """Raises TrustError ``license_malformed``."""
    try:
        found = Revocations(
            number=int(document["number"]),
            issued_at=str(document["issued_at"]),
            grants={str(grant): str(code) for grant, code in document["grants"].items()},
        )
        _moment(found.issued_at)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _malformed() from None
    return found


def read_receipt(document: Mapping[str, Any]) -> Receipt:
    """Raises TrustError ``license_malformed``."""
    try:
        receipt = Receipt(**{field.name: document[field.name] for field in fields(Receipt)})
        if not isinstance(receipt.number, int) or receipt.number < 1:
            raise ValueError(receipt.number)
        _moment(receipt.at)
    except (KeyError, TypeError, ValueError):
        raise _malformed() from None
    return receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be done under a license: by whom, with what."""

    server: str
    organization: str
    holder: str
    experience: str
    version: str
    use: str


def check_license(
    license: License,
    wish: Wish,
    *,
    revocations: Revocations | None,
    now: datetime,
    seen_at: datetime | None,
    used_in_month: int = 0,
) -> None:
    """The license allows it now.

    ``seen_at``: the latest time that was seen here before; ``used_in_month``: replays counted since it was issued.

    Raises Refused, each reason with a code of its own: ``license_of_other_marketplace``, ``license_of_other_agent``,
    ``license_of_other_experience``, ``version_not_licensed``, ``use_not_licensed``, ``clock_set_back``,
    ``license_expired``, ``license_token_expired``, ``revocations_outdated``, the code of a revocation
    (``license_revoked``, ``license_refunded``, ``license_disputed``, ``license_frozen``) or ``quota_exhausted``.
    """
    _check_bound(license, wish)
    _check_times(license, now, seen_at)
    _check_revoked(license, revocations, now)
    if license.replays_left is not None and license.month == f"{now:%Y-%m}" and used_in_month >= license.replays_left:
        raise Refused(
            "quota_exhausted",
            _("The replays of this month that your license of {name} allows are used up.").format(
                name=license.experience
            ),
            _("Wait for the next month, or ask an owner of your organization for a larger license."),
        )


def _check_bound(license: License, wish: Wish) -> None:
    again = _("Fetch your own with 'keiken pull {name}'.").format(name=wish.experience)
    if license.server != wish.server:
        raise Refused("license_of_other_marketplace", _("This license is of another marketplace."), again)
    if (license.organization, license.holder) != (wish.organization, wish.holder):
        raise Refused(
            "license_of_other_agent",
            _("This license was given to {holder} of {organization}, not to you.").format(
                holder=license.holder, organization=license.organization
            ),
            again,
        )
    if license.experience != wish.experience:
        raise Refused(
            "license_of_other_experience",
            _("This license is for {name}.").format(name=license.experience),
            again,
        )
    if license.versions and not in_range(wish.version, license.versions):
        raise Refused(
            "version_not_licensed",
            _("Your license of {name} is for the versions {versions}, not for {version}.").format(
                name=license.experience, versions=license.versions, version=wish.version
            ),
            _("Use one of those, or look for another offer on its page."),
        )
    if wish.use not in license.uses:
        raise Refused(
            "use_not_licensed",
            _("Your license of {name} is for {uses} only.").format(
                name=license.experience, uses=", ".join(license.uses)
            ),
            _("Look for another offer on its page."),
        )


def _check_times(license: License, now: datetime, seen_at: datetime | None) -> None:
    latest = max(_moment(license.issued_at), seen_at or _moment(license.issued_at))
    if now < latest - CLOCK_TOLERANCE:
        raise Refused(
            "clock_set_back",
            _("This machine's clock says {now}, but it was {seen} here already.").format(
                now=f"{now:%Y-%m-%d %H:%M}", seen=f"{latest:%Y-%m-%d %H:%M}"
            ),
            _("Set the clock right. If it was ahead before, pull the package again."),
        )
    if license.grant_ends_at and _moment(license.grant_ends_at) <= now:
        raise Refused(
            "license_expired",
            _("Your license of {name} ended at {date}.").format(name=license.experience, date=license.grant_ends_at),
            _("Accept or buy an offer again, then pull it."),
        )
    if _moment(license.expires_at) <= now:
        raise Refused(
            "license_token_expired",
            _("Your offline license of {name} was good until {date}.").format(
                name=license.experience, date=license.expires_at
            ),
            _("Go online and renew it with 'keiken pull {name}'.").format(name=license.experience),
        )


def _check_revoked(license: License, revocations: Revocations | None, now: datetime) -> None:
    oldest = now - timedelta(seconds=license.revocations_max_age_seconds)
    if revocations is None or _moment(revocations.issued_at) < oldest:
        raise Refused(
            "revocations_outdated",
            _("Whether your license of {name} was taken back was last asked too long ago.").format(
                name=license.experience
            ),
            _("Go online and pull it again: 'keiken pull {name}'.").format(name=license.experience),
        )
    code = revocations.grants.get(license.grant)
    if code is not None:
        raise Refused(
            code,
            _("Your license of {name} does not hold any more.").format(name=license.experience),
            _("'keiken licenses' says why. Accept or buy an offer again."),
        )


def moment(text: str) -> datetime:
    """Raises TrustError ``license_malformed``."""
    try:
        return _moment(text)
    except ValueError:
        raise _malformed() from None


def _moment(text: str) -> datetime:
    """Raises ValueError. A time without a zone is UTC, as everywhere here."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _malformed() -> TrustError:
    return TrustError(
        "license_malformed",
        _("This is no license of a Keiken marketplace, or it was damaged."),
        _("Fetch it again with 'keiken pull'."),
    )
