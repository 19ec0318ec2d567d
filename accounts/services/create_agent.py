"""An owner registers an agent: a program that acts in its own name."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid
from accounts.models import Agent, Organization
from accounts.services import audit
from accounts.services.constraints import broken_constraint


def create_agent(*, actor: Actor, organization: Organization, name: str) -> Agent:
    """Raises Forbidden, Invalid ``agent_name_invalid``, Conflict ``agent_name_taken``."""
    actor.require("admin", organization.pk)
    agent = Agent(organization=organization, name=name)
    try:
        agent.clean_fields()
    except ValidationError as error:
        raise Invalid(
            "agent_name_invalid", " ".join(error.messages), _("Choose a name like 'release-agent'.")
        ) from None
    try:
        with transaction.atomic(durable=True):
            agent.save()
            audit.record(actor=actor, action="agent.create", target=name, organization_id=organization.pk)
    except IntegrityError as error:
        if broken_constraint(error) != "agent_name_once":
            raise
        raise Conflict(
            "agent_name_taken",
            _("There is already an agent '{name}'.").format(name=name),
            _("Choose another name; names are not used again."),
        ) from None
    return agent
