"""Packages that were pulled: bytes and signed statements in the cache, and what this login knows of them.

``cache_dir()/packages/<digest>/package-<party>.tar.gz`` and ``attestations-<digest>.json`` are named by their content
and by whose they are, so that parties that share a cache never change each other's. What was pulled from where, and
with which digests, stands in ``config_dir()/pulled/<server>/ORG/NAME/VERSION.json``: a changed byte in the cache is
seen, and one party's license is not another's.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keiken.client.client import Client
from keiken.client.licenses import fetch_license
from keiken.client.logins import write_private
from keiken.client.proof_shapes import Attestations, Version
from keiken.client.proofs import check_proofs
from keiken.client.references import Reference, place_of
from keiken.errors import PackageError, TrustError, UsageError
from keiken.i18n import _
from keiken.package import digest as digest_of
from keiken.package import unpack
from keiken.package.watermark import mark_of, original
from keiken.paths import cache_dir, config_dir
from keiken.trust import Claim, PublicKey
from keiken.trust.keyring import keyring

OWN = "own"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """One pulled version. ``grant`` is the license's id, or ``own``."""

    server: str
    organization: str
    name: str
    version: str
    digest: str
    attestations_digest: str
    grant: str
    pulled_at: str

    @property
    def reference(self) -> Reference:
        return Reference(self.organization, self.name, self.version)

    @property
    def is_licensed(self) -> bool:
        """Used under a license of somebody else's, not as one's own."""
        return self.grant != OWN

    @property
    def folder(self) -> Path:
        return cache_dir() / "packages" / self.digest.removeprefix("sha256:")

    @property
    def archive(self) -> Path:
        return _archive(self.digest)

    @property
    def attestations(self) -> Path:
        return self.folder / f"attestations-{self.attestations_digest.removeprefix('sha256:')[:16]}.json"


def pull(
    client: Client, reference: Reference, *, keys: Iterable[PublicKey], fresh: bool = False
) -> tuple[Pulled, list[Claim]]:
    """Fetch a version with its signed statements, or make sure that what is here is it and may still be used.

    Nothing counts as pulled unless every statement was signed with one of ``keys`` and is about these bytes.
    Raises ServerRefusal (``license_required``, ``not_found``, …), ServerTrouble, PackageError, TrustError.
    """
    trusted = keyring(keys)
    version = client.version(reference)
    exact = reference.at(version.version)
    _check_announced(version, exact)
    archive = _archive(version.digest)
    is_known = not fresh and archive.is_file() and digest_of(original(archive.read_bytes())) == version.digest
    downloaded = client.download(exact, archive, digest=version.digest, is_known=is_known)
    _check_content(archive, exact)
    attestations = client.attestations(exact)
    claims = claims_of(attestations.as_json(), exact, version.digest, trusted)
    statements = _statements_json(attestations)
    pulled = Pulled(
        server=client.server,
        organization=exact.organization,
        name=exact.name,
        version=exact.version,
        digest=version.digest,
        attestations_digest=digest_of(statements),
        grant=downloaded.grant,
        pulled_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if pulled.is_licensed:
        fetch_license(client, exact, trusted)
    write_private(pulled.attestations, json.loads(statements))
    write_private(_note(pulled.server, exact), asdict(pulled))
    return pulled, claims


def _archive(digest: str) -> Path:
    """A copy may be marked for one license, so parties that share a cache have copies of their own."""
    party = hashlib.sha256(str(config_dir()).encode()).hexdigest()[:12]
    return cache_dir() / "packages" / digest.removeprefix("sha256:") / f"package-{party}.tar.gz"


def _check_announced(version: Version, reference: Reference) -> None:
    is_asked = (version.organization, version.name) == (reference.organization, reference.name)
    if not is_asked or not _DIGEST.fullmatch(version.digest) or "/" in version.version:
        raise TrustError(
            "version_mismatch",
            _("The marketplace answered about another version than {reference}.").format(reference=reference),
            _("Tell its operators."),
        )


def _check_content(archive: Path, reference: Reference) -> None:
    """The package must unpack under all limits and be what it was listed as."""
    with tempfile.TemporaryDirectory(prefix="keiken-") as folder:
        manifest = unpack(original(archive.read_bytes()), Path(folder) / reference.name).manifest
    if (manifest.name, manifest.version) != (reference.name, reference.version):
        raise PackageError(
            "package_mismatch",
            _("The package is {name}@{version}, not {reference}.").format(
                name=manifest.name, version=manifest.version, reference=reference
            ),
            file="experience.yaml",
            advice=_("Tell the marketplace."),
        )


def _statements_json(attestations: Attestations) -> bytes:
    return _written(attestations.as_json())


def _written(document: Any) -> bytes:
    """The bytes as ``write_private`` writes them: the digest is over these."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _note(server: str, reference: Reference) -> Path:
    folder = config_dir() / "pulled" / place_of(server) / reference.organization / reference.name
    return folder / f"{reference.version}.json"


def find(server: str, reference: Reference) -> Pulled:
    """The pulled version that was asked for, the newest where none was. Raises UsageError ``not_pulled``."""
    folder = _note(server, reference.at("any")).parent
    known = [found for path in folder.glob("*.json") if (found := _read(path, server, reference)) is not None]
    if reference.version:
        known = [item for item in known if item.version == reference.version]
    if not known:
        raise UsageError(
            "not_pulled",
            _("{reference} was not pulled to this machine.").format(reference=reference),
            _("Fetch it with 'keiken pull {reference}'.").format(reference=reference),
        )
    return max(known, key=lambda item: semver_key(item.version))


def _read(path: Path, server: str, reference: Reference) -> Pulled | None:
    """None for a note that is damaged or about something else: pulling again writes it anew."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = Pulled(**document)
        is_named = (found.server, found.reference.experience, f"{found.version}.json") == (
            server,
            reference.experience,
            path.name,
        )
        is_sound = all(_DIGEST.fullmatch(item) for item in (found.digest, found.attestations_digest))
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return found if is_named and is_sound else None


def semver_key(text: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Sorts versions as semver.org says: a pre-release before its release, build data not at all."""
    core, _plus, _build = text.partition("+")
    release, _dash, pre = core.partition("-")
    parts = tuple((not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pre.split(".")) if pre else ()
    return tuple(int(number) for number in release.split(".")), not pre, parts


def verified_claims(pulled: Pulled, keys: Iterable[PublicKey]) -> list[Claim]:
    """What the signed statements beside the package say, verified without any network; oldest first.

    Raises TrustError ``package_missing``, ``digest_mismatch``, ``envelope_malformed``,
    ``signature_invalid``, ``key_unknown``, ``statement_malformed`` or ``subject_mismatch``.
    """
    data = _kept(pulled.archive)
    mark = mark_of(data)
    is_ours = mark is None or mark.license == pulled.grant
    found = digest_of(original(data) if is_ours else data)
    if found != pulled.digest:
        raise TrustError(
            "digest_mismatch",
            _("{file} has the digest {found}; what was pulled has {expected}.").format(
                file=pulled.archive, found=found, expected=pulled.digest
            ),
            _("It was changed on this machine. Fetch it again with 'keiken pull --fresh {reference}'.").format(
                reference=pulled.reference
            ),
        )
    content = _kept(pulled.attestations)
    claims = claims_of(kept_statements(pulled, content), pulled.reference, pulled.digest, keys)
    if digest_of(content) != pulled.attestations_digest:
        raise _damaged(pulled)
    return claims


def claims_of(document: Mapping[str, Any], reference: Reference, digest: str, keys: Iterable[PublicKey]) -> list[Claim]:
    """The claims of statements about exactly this package, oldest first. Raises what ``check_proofs`` raises."""
    return check_proofs(document, reference, digest, keys).claims if document["attestations"] else []


def standing(claims: Iterable[Claim]) -> dict[str, Claim]:
    """The newest claim for each environment: what holds now, whatever held before."""
    return {claim.environment: claim for claim in sorted(claims, key=lambda claim: claim.verified_at)}


def _kept(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustError(
            "package_missing",
            _("{path} cannot be read: {why}.").format(path=path, why=error.strerror),
            _("Fetch it again with 'keiken pull --fresh'."),
        ) from None


def kept_statements(pulled: Pulled, content: bytes | None = None) -> dict[str, Any]:
    """The document beside the package, unverified. Raises TrustError ``package_missing`` or ``envelope_malformed``."""
    try:
        document = json.loads(_kept(pulled.attestations) if content is None else content)
        return Attestations.model_validate(document).as_json()
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _damaged(pulled) from None


def _damaged(pulled: Pulled) -> TrustError:
    return TrustError(
        "envelope_malformed",
        _("{path} was changed after it was pulled.").format(path=pulled.attestations),
        _("Fetch it again with 'keiken pull --fresh {reference}'.").format(reference=pulled.reference),
    )
