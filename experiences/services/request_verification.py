"""A publisher asks for a version to be proven again, in every environment its scenarios name."""

from __future__ import annotations

from accounts.actors import Actor
from accounts.domain.refusals import TooManyRequests
from experiences.models import Verification, Version
from experiences.services.queueing import environment_names, open_row


def request_verification(*, actor: Actor, version: Version) -> list[Verification]:
    """The new rows. An environment that was asked for within ten minutes is passed over.

    Raises Forbidden, or TooManyRequests ``verified_recently`` when there is no other environment.
    """
    actor.require("publish", version.experience.organization_id)
    made, refused = [], []
    for name in environment_names(version):
        try:
            row = open_row(version=version, environment_name=name, trigger="request", actor=actor)
        except TooManyRequests as refusal:
            refused.append(refusal)
        else:
            made += [row] if row else []
    if refused and not made:
        raise refused[0]
    return made
