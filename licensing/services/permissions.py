"""What the use cases on grants share: the object permissions that go with a grant.

Whoever opens, revokes or closes a grant has its row written in the same transaction, and of one organization and
experience only one grant is open: so two of these never undo each other's permissions.
"""

from __future__ import annotations

from guardian.shortcuts import assign_perm, remove_perm

from accounts.services import outbox
from licensing.domain.terms import PERMISSIONS, permissions_of
from licensing.models import Grant


def give_permissions(grant: Grant) -> None:
    """What the accepted terms allow, to the organization's group on the experience."""
    for permission in permissions_of(grant.acceptance.offer.terms.uses):
        assign_perm(f"experiences.{permission}", grant.organization.group, grant.experience)
    _tell("license.granted", grant)


def take_permissions(grant: Grant) -> None:
    for permission in PERMISSIONS:
        remove_perm(f"experiences.{permission}", grant.organization.group, grant.experience)
    _tell("license.ended", grant)


def _tell(kind: str, grant: Grant) -> None:
    """To both sides, as the row now is: the one given here may be older than the change."""
    now = Grant.objects.select_related("experience__organization", "organization").get(pk=grant.pk)
    state = "revoked" if now.revoked_at else "frozen" if now.frozen_at else "ended" if now.closed_at else "in_force"
    data = {
        "grant": str(now.pk),
        "experience": str(now.experience),
        "organization": now.organization.slug,
        "state": state,
        "starts_at": now.starts_at.isoformat(),
        "ends_at": now.ends_at.isoformat() if now.ends_at else None,
        "reason": now.revoked_reason,
    }
    outbox.tell(kind, (now.organization_id, now.experience.organization_id), data)
