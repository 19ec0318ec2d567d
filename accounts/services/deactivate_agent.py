"""An owner switches an agent off for good: its keys are refused from the next request on."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Agent, ApiKey
from accounts.services import audit


def deactivate_agent(*, actor: Actor, agent: Agent) -> Agent:
    """Its keys are revoked with it. Switching it off twice changes nothing. Raises Forbidden."""
    actor.require("admin", agent.organization_id)
    with transaction.atomic(durable=True):
        if Agent.objects.filter(pk=agent.pk, is_active=True).update(is_active=False):
            ended = ApiKey.objects.filter(agent=agent, revoked_at__isnull=True)
            prefixes = sorted(ended.values_list("prefix", flat=True))
            ended.update(revoked_at=timezone.now())
            audit.record(
                actor=actor,
                action="agent.deactivate",
                target=agent.name,
                organization_id=agent.organization_id,
                details={"revoked_keys": prefixes},
            )
    agent.refresh_from_db()
    return agent
