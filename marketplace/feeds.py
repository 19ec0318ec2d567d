"""What is new, for feed readers: versions, and verdicts that are not what they were. Public things only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.actors import ANONYMOUS
from experiences.access import visible_experiences
from experiences.models import Experience, Verification, Version
from marketplace import wording
from marketplace.links import whole

ENTRIES = 50
LOOKED_AT = 500
"""Of so many last verdicts those that changed are told."""


def public_experiences(*, topic: str = "", organization: str = "", name: str = "") -> QuerySet[Experience]:
    rows = visible_experiences(ANONYMOUS).filter(latest__isnull=False)
    if topic:
        rows = rows.filter(topics__contains=[topic])
    if organization:
        rows = rows.filter(organization__slug=organization)
    return rows.filter(name=name) if name else rows


def new_versions(experiences: QuerySet[Experience]) -> list[Version]:
    """The newest first; withdrawn ones are none to be told of."""
    rows = Version.objects.filter(experience__in=experiences, yanked_at__isnull=True)
    found = rows.select_related("experience__organization").defer("manifest", "skill", "search")
    return list(found.order_by("-published_at", "-pk")[:ENTRIES])


def changed_verdicts(experiences: QuerySet[Experience]) -> Sequence[Verification]:
    """Verdicts that differ from the one before in the same environment, with ``previous_verdict``; newest first.

    A first verdict is no change: that a version is new is told by the feed of versions.
    """
    before = Verification.objects.filter(
        version__experience_id=OuterRef("version__experience_id"),
        environment_name=OuterRef("environment_name"),
        state=Verification.State.DONE,
        finished_at__lt=OuterRef("finished_at"),
    ).order_by("-finished_at")
    rows = (
        Verification.objects.filter(version__experience__in=experiences, state=Verification.State.DONE)
        .select_related("version__experience__organization")
        .defer("version__manifest", "version__skill", "version__search")
        .annotate(previous_verdict=Subquery(before.values("verdict")[:1]))
        .order_by("-finished_at", "-pk")[:LOOKED_AT]
    )
    changed = [row for row in rows if row.previous_verdict and row.previous_verdict != row.verdict]
    return changed[:ENTRIES]


def versions_feed(title: str, path: str, page: str, versions: Iterable[Version]) -> bytes:
    feed = _feed(title, path, page)
    for version in versions:
        found = version.experience
        slugs = [found.organization.slug, found.name]
        feed.add_item(
            title=f"{version}: {found.title}",
            link=whole(reverse("version", args=[*slugs, version.version])),
            description=found.summary,
            unique_id=whole(reverse("by_digest", args=[version.blob_id])) + f"#{version}",
            author_name=found.organization.name,
            categories=found.topics,
            pubdate=version.published_at,
            updateddate=version.published_at,
        )
    return _written(feed)


def verdicts_feed(title: str, path: str, page: str, verifications: Iterable[Verification]) -> bytes:
    feed = _feed(title, path, page)
    for row in verifications:
        found = row.version.experience
        slugs = [found.organization.slug, found.name]
        words = [str(wording.VERDICTS.get(name, wording.UNKNOWN).label) for name in (row.previous_verdict, row.verdict)]  # type: ignore[attr-defined]  # annotated
        feed.add_item(
            title=_("{name} in {environment}: {verdict}, before: {previous}").format(
                name=row.version, environment=row.environment_name, verdict=words[1], previous=words[0]
            ),
            link=whole(reverse("verification", args=[*slugs, row.version.version, row.pk])),
            description=str(wording.VERDICTS.get(row.verdict, wording.UNKNOWN).meaning),
            unique_id=f"urn:uuid:{row.pk}",
            author_name="Keiken",
            categories=[row.verdict],
            pubdate=row.finished_at,
            updateddate=row.finished_at,
        )
    return _written(feed)


class _Feed(Atom1Feed):
    def latest_post_date(self) -> datetime:
        """Of an empty feed the beginning of the day: the same bytes, as long as nothing happens."""
        today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return super().latest_post_date() if self.items else today


def _feed(title: str, path: str, page: str) -> Atom1Feed:
    return _Feed(
        title=title,
        link=whole(page),
        description="",
        language=get_language() or "en",
        feed_url=whole(path),
        feed_guid=whole(path),
    )


def _written(feed: Atom1Feed) -> bytes:
    return feed.writeString("utf-8").encode()
