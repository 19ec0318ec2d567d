"""Asking for a version to be proven (again) in one environment: a row, and a nudge once it is committed."""

from __future__ import annotations

from accounts.actors import SYSTEM, Actor
from experiences.models import Verification, Version
from experiences.services.queueing import open_row


def enqueue(*, version: Version, environment_name: str, trigger: str, actor: Actor = SYSTEM) -> Verification | None:
    """The new row; None when one is already open for this version and environment.

    A person's or agent's request needs the scope publish and waits ten minutes after the last one. Raises Forbidden,
    TooManyRequests ``verified_recently``.
    """
    if trigger == Verification.Trigger.REQUEST:
        actor.require("publish", version.experience.organization_id)
    return open_row(version=version, environment_name=environment_name, trigger=trigger, actor=actor)
