"""What every page of an organization's area shows around its content."""

from __future__ import annotations

from typing import Any

from accounts.actors import Actor
from accounts.models import Organization


def organization_frame(actor: Actor, organization: Organization, tab: str) -> dict[str, Any]:
    return {
        "section": "organization",
        "organization": organization,
        "tab": tab,
        "administers": "admin" in actor.scopes and actor.acts_for(organization.pk),
    }
