"""What the use cases on grants share: the object permissions that go with a grant.

Whoever opens, revokes or closes a grant has its row written in the same transaction, and of one organization and
experience only one grant is open: so two of these never undo each other's permissions.
"""

from __future__ import annotations

from guardian.shortcuts import assign_perm, remove_perm

from licensing.domain.terms import PERMISSIONS, permissions_of
from licensing.models import Grant


def give_permissions(grant: Grant) -> None:
    """What the accepted terms allow, to the organization's group on the experience."""
    for permission in permissions_of(grant.acceptance.offer.terms.uses):
        assign_perm(f"experiences.{permission}", grant.organization.group, grant.experience)


def take_permissions(grant: Grant) -> None:
    for permission in PERMISSIONS:
        remove_perm(f"experiences.{permission}", grant.organization.group, grant.experience)
