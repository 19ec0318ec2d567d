"""The doors to experiences: what an actor may not see reads exactly like what does not exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from django.db.models import BigIntegerField, Q, QuerySet
from django.db.models.functions import Cast
from django.utils.translation import gettext as _
from guardian.models import GroupObjectPermission

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, Hidden, NotFound
from accounts.models import Organization
from experiences.models import Experience, Version

Permission = Literal["download_experience", "replay_experience"]
LATEST = "latest"


def visible_experiences(actor: Actor) -> QuerySet[Experience]:
    """What ``_open_to`` the actor, without what moderation has hidden: that only its publisher and operators see."""
    found = _open_to(actor)
    if actor.is_operator:
        return found
    shown = Q(hidden_at__isnull=True)
    if actor.organization_id is not None:
        shown |= Q(organization_id=actor.organization_id)
    return found.filter(shown)


def _open_to(actor: Actor) -> QuerySet[Experience]:
    """Public ones, those of the actor's organization, and those its group has a permission on."""
    seen = Q(visibility=Experience.Visibility.PUBLIC)
    if actor.organization_id is not None:
        seen |= Q(organization_id=actor.organization_id)
    if actor.group_id is not None:
        # Within the query: a page that shows one experience asks one question less.
        permitted = _permissions(actor).annotate(number=Cast("object_pk", BigIntegerField()))
        seen |= Q(pk__in=permitted.values("number"))
    return Experience.objects.filter(seen)


def permitted_ids(actor: Actor) -> list[int]:
    """The experiences that the actor's group has a permission on, asked anew each time."""
    if actor.group_id is None:
        return []
    return sorted({int(pk) for pk in _permissions(actor).values_list("object_pk", flat=True)})


def _permissions(actor: Actor) -> QuerySet[GroupObjectPermission]:
    return GroupObjectPermission.objects.filter(
        group_id=actor.group_id,
        permission__content_type__app_label="experiences",
        permission__content_type__model="experience",
    )


def experience_for(actor: Actor, organization_slug: str, name: str, *, related: Sequence[str] = ()) -> Experience:
    """``related``: relations the caller will read as well, fetched by the same query.

    Raises NotFound, with the code ``experience_hidden`` where moderation has hidden what was open to the actor.
    """
    found = (
        visible_experiences(actor)
        .select_related("organization", "latest__blob", *related)
        .filter(organization__slug=organization_slug, name=name)
        .first()
    )
    if found is None:
        raise _absent(actor, organization_slug, name)
    return found


def _absent(actor: Actor, organization_slug: str, name: str) -> NotFound:
    named = _open_to(actor).filter(organization__slug=organization_slug, name=name, hidden_at__isnull=False)
    hidden = named.only("hidden_reason").first()
    if hidden is None:
        return NotFound(_("experience"))
    return Hidden(
        "experience_hidden",
        _("The reviewers of this marketplace have hidden {name}.").format(name=f"{organization_slug}/{name}"),
        _("Do not replay copies of it until it is back; ask the publisher, who has been told why."),
        {"reason": hidden.hidden_reason},
    )


def version_for(
    actor: Actor, organization_slug: str, name: str, version: str, *, related: Sequence[str] = ()
) -> Version:
    """``latest`` is the highest version that was not yanked; ``related`` as in ``experience_for``. Raises NotFound."""
    if version != LATEST:
        with_experience = [f"experience__{relation}" for relation in ("organization", "latest__blob", *related)]
        named = Version.objects.select_related("blob", *with_experience).filter(
            experience__in=visible_experiences(actor),
            experience__organization__slug=organization_slug,
            experience__name=name,
            version=version,
        )
        if (found := named.first()) is not None:
            return found
    experience = experience_for(actor, organization_slug, name, related=related)
    if version != LATEST or experience.latest is None:
        raise NotFound(_("version"))
    experience.latest.experience = experience
    return experience.latest


def version_by_digest(actor: Actor, digest: str) -> Version:
    """The version with these bytes; where several organizations published the same, the first. Raises NotFound."""
    found = (
        Version.objects.select_related("experience__organization")
        .defer("manifest", "skill", "search")
        .filter(blob_id=digest, experience__in=visible_experiences(actor))
        .order_by("published_at", "pk")
        .first()
    )
    if found is None:
        raise NotFound(_("version"))
    return found


def has_permission(actor: Actor, permission: Permission, experience: Experience) -> bool:
    """Whether the actor's organization has a guardian permission on it. Asked anew each time, never cached."""
    return any_permission(actor, (permission,), experience)


def any_permission(actor: Actor, permissions: Sequence[Permission], experience: Experience) -> bool:
    if actor.group_id is None:
        return False
    return GroupObjectPermission.objects.filter(
        group_id=actor.group_id,
        object_pk=str(experience.pk),
        permission__codename__in=permissions,
        permission__content_type__app_label="experiences",
    ).exists()


def may_see_evidence(actor: Actor, experience: Experience) -> bool:
    """Whether the actor sees what each step did; everybody else who sees the experience learns how it ended and when.

    The publisher, the platform's operators, and organizations with a license: what a step printed and which files it
    left is the substance of what is licensed.
    """
    if actor.is_operator or actor.acts_for(experience.organization_id):
        return True
    return any_permission(actor, ("replay_experience", "download_experience"), experience)


def require_evidence(actor: Actor, experience: Experience) -> None:
    """Raises Unauthenticated for a stranger, Forbidden ``evidence_hidden``. The experience comes from above."""
    if may_see_evidence(actor, experience):
        return
    actor.require_known()
    raise Forbidden(
        "evidence_hidden",
        _("What its steps do and print is shown to its publisher and to organizations with a license only."),
        _("Accept or buy one of its offers, or wait for the verdict: that is shown to everybody."),
    )


def superseding(actor: Actor, experience: Experience) -> list[Experience]:
    """What takes its place, as far as the actor sees it.

    Only its own publisher can say so: nobody leads the users of others away.
    """
    rows = visible_experiences(actor).filter(
        organization_id=experience.organization_id, latest__manifest__supersedes__contains=[str(experience)]
    )
    return list(rows.exclude(pk=experience.pk).select_related("organization").order_by("name"))


def concerned_organizations(experience: Experience) -> set[int]:
    """The publisher and whoever has a permission on it: whom a change of a version concerns."""
    groups = GroupObjectPermission.objects.filter(
        object_pk=str(experience.pk), permission__content_type__app_label="experiences"
    )
    permitted = Organization.objects.filter(group__in=groups.values("group_id")).values_list("pk", flat=True)
    return {experience.organization_id, *permitted}
