"""A publisher takes a proposed condition over: the same package with it, as a new version that is proven like any."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict
from experiences.models import Version
from experiences.services.proving import fetched
from experiences.services.publish import publish
from keiken.frontier.propose import changed_conditions
from keiken.frontier.rewrite import next_version, rewritten
from keiken.package import unpack
from keiken.workspace import workspace
from marketplace.frontier import proposals_for


def accept_proposal(*, actor: Actor, version: Version, key: str) -> Version:
    """The new version. Everything but the condition and the version number stays as it is.

    Raises Forbidden; Conflict ``not_latest``, ``proposal_gone``, ``version_exists``; the refusals of publishing. A
    refusal changes nothing.
    """
    experience = version.experience
    actor.require("publish", experience.organization_id)
    if experience.latest_id != version.pk:
        raise Conflict(
            "not_latest",
            _("{version} is not the latest version, and a change goes on top of the latest.").format(version=version),
            _("Look at the proposals of the latest version."),
        )
    proposal = next((one for one in proposals_for(version) if one.key == key), None)
    if proposal is None:
        raise Conflict(
            "proposal_gone",
            _("Nothing is proposed any more for the condition on {key}.").format(key=key[:100]),
            _("Load the page again: what was seen since has changed the proposals."),
        )
    number = next_version(version.version, proposal.direction)
    with workspace() as folder:
        package = unpack(fetched(version), folder / "package")
        conditions = changed_conditions(package.manifest.conditions, proposal)
        archive = rewritten(package, conditions=conditions, version=number)
    return publish(actor=actor, organization_slug=experience.organization.slug, archive=archive).version
