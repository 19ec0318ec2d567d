"""Whether an actor may have a package's bytes: one decision, written into the audit trail either way."""

from __future__ import annotations

from django.db import transaction

from accounts.actors import Actor
from accounts.domain.refusals import Refusal
from accounts.services import audit
from experiences.models import Version
from marketplace.access import Entitlement, entitlement


def decide_download(*, actor: Actor, version: Version, metered: bool = True) -> Entitlement:
    """Granted, or the refusal is raised: authentication_required, scope_missing or license_required.

    The decision and its audit row are one transaction, so a revocation that is committed before is always seen.
    ``metered=False`` asks without fetching (HEAD, a matching ETag) and leaves no row.
    """
    refusal: Refusal | None = None
    basis: Entitlement | None = None
    with transaction.atomic(durable=True):
        try:
            basis = entitlement(
                actor, version.experience, scope="download", permission="download_experience", version=version.version
            )
        except Refusal as error:
            refusal = error
        if metered:
            _record(actor, version, basis, refusal)
    if basis is None:
        assert refusal is not None
        raise refusal
    return basis


def _record(actor: Actor, version: Version, basis: Entitlement | None, refusal: Refusal | None) -> None:
    details: dict[str, str] = {"digest": version.blob_id}
    if basis is not None:
        details["basis"] = basis.basis
    if basis is not None and basis.grant is not None:
        details["grant"] = str(basis.grant.id)
    if refusal is not None:
        details["code"] = refusal.code
    audit.record(
        actor=actor,
        action="download.refuse" if refusal else "download.grant",
        target=str(version),
        organization_id=actor.organization_id,
        details=details,
    )
