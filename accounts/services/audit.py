"""Writing the audit trail: one row beside the change it tells of, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.actors import Actor
from accounts.models import AuditEntry


def record(
    *,
    actor: Actor,
    action: str,
    target: str,
    organization_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Call it inside the transaction of the change. ``details`` never holds a secret."""
    AuditEntry.objects.create(
        organization_id=organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name[:100],
        api_key_id=actor.api_key_id,
        action=action,
        target=target[:300],
        details=dict(details or {}),
    )
