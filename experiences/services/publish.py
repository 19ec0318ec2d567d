"""Publishing: everything is judged before anything is written; then the bytes, then one transaction."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.postgres.search import SearchVector
from django.db import IntegrityError, transaction
from django.db.models import Value
from django.utils.translation import gettext as _
from packaging.version import Version as Order

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid, NotFound, Refusal, TooLarge
from accounts.models import Organization
from accounts.services import audit
from experiences.blobs import store_blob
from experiences.domain.words import with_pairs
from experiences.models import Blob, Experience, Verification, Version
from experiences.services.enqueue_verification import nudge_after_commit
from experiences.services.interning import intern
from keiken.conditions import parse
from keiken.errors import PackageError
from keiken.package import Package, review, unpack

PUBLISH_PRIORITY = 10


@dataclass(frozen=True)
class Published:
    version: Version
    created: bool
    """False when exactly these bytes were published before."""


def publish(*, actor: Actor, organization_slug: str, archive: bytes, visibility: str = "public") -> Published:
    """Publish an archive for an organization.

    Raises Forbidden, NotFound, TooLarge, Invalid with the package rule's code and place, or Conflict
    ``version_exists`` when the version has other bytes. A refusal leaves nothing behind.
    """
    organization = _organization(actor, organization_slug)
    if visibility not in Experience.Visibility.values:
        raise Invalid("visibility_unknown", _("The visibility is public or organization."))
    if len(archive) > settings.KEIKEN.upload_max_bytes:
        raise TooLarge("archive_too_large", _("The package is larger than this marketplace takes."))
    with tempfile.TemporaryDirectory(prefix="keiken-publish-") as folder:
        package = judged(archive, Path(folder) / "package")
        blob_digest = store_blob(archive)
        try:
            with transaction.atomic(durable=True):
                return _write(actor, organization, package, blob_digest, len(archive), visibility)
        except IntegrityError:
            # Somebody published the same version in the same moment: theirs is there now, and decides.
            with transaction.atomic(durable=True):
                return _write(actor, organization, package, blob_digest, len(archive), visibility)


def judged(archive: bytes, folder: Path) -> Package:
    """Unpack, check and review. Raises Invalid or TooLarge; nothing of it has run."""
    try:
        package = unpack(archive, folder)
    except PackageError as error:
        kind: type[Refusal] = TooLarge if error.code in ("archive_too_large", "package_too_large") else Invalid
        raise kind(error.code, error.message, error.advice, error.details) from None
    errors = [finding for finding in review(package) if finding.level == "error"]
    if errors:
        raise Invalid(
            errors[0].code,
            errors[0].message,
            _("Mend it and see with 'keiken check' before you publish again."),
            {"findings": [vars(finding) for finding in errors], "file": errors[0].file, "line": errors[0].line},
        )
    return package


def _organization(actor: Actor, slug: str) -> Organization:
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        raise NotFound(_("organization"))
    actor.require("publish", organization.pk)
    return organization


def _write(
    actor: Actor, organization: Organization, package: Package, blob_digest: str, size: int, visibility: str
) -> Published:
    manifest = package.manifest
    experience, is_new = Experience.objects.select_for_update().get_or_create(
        organization=organization,
        name=manifest.name,
        defaults={"visibility": visibility, "title": manifest.title},
    )
    known = Version.objects.filter(experience=experience, version=manifest.version).first()
    if known is not None:
        if known.blob_id == blob_digest:
            return Published(known, created=False)
        raise Conflict(
            "version_exists",
            _("{name}@{version} was already published with other bytes, and a published version never changes.").format(
                name=manifest.name, version=manifest.version
            ),
            _("Raise the version in experience.yaml and publish again."),
            {"digest": known.blob_id},
        )
    version = _version(actor, experience, package, blob_digest, size)
    _update_listing(experience, version, package, visibility if not is_new else experience.visibility)
    _enqueue_first(version, package)
    audit.record(
        actor=actor,
        action="experience.publish",
        target=str(version),
        organization_id=organization.pk,
        details={"digest": blob_digest, "visibility": experience.visibility},
    )
    return Published(version, created=True)


def _version(actor: Actor, experience: Experience, package: Package, blob_digest: str, size: int) -> Version:
    manifest, skill = package.manifest, package.skill
    Blob.objects.get_or_create(digest=blob_digest, defaults={"size_bytes": size})
    version = Version.objects.create(
        experience=experience,
        version=manifest.version,
        major=manifest.major,
        blob_id=blob_digest,
        manifest=manifest.model_dump(mode="json", exclude_none=True),
        skill={"name": skill.name, "description": skill.description, "body": skill.body},
        condition_ids=intern(parse(manifest.conditions)),
        published_by=actor.name[:100],
    )
    weights = {
        "A": f"{manifest.title} {manifest.name.replace('-', ' ')}",
        "B": " ".join(manifest.topics).replace("-", " "),
        "C": f"{manifest.summary} {skill.description}",
        "D": " ".join(step.title or step.id for step in manifest.steps) + " " + skill.body[:20_000],
    }
    vector = None
    for weight, text in weights.items():
        part = SearchVector(Value(with_pairs(text)), weight=weight, config="english")
        vector = part if vector is None else vector + part
    Version.objects.filter(pk=version.pk).update(search=vector)
    return version


def _update_listing(experience: Experience, version: Version, package: Package, visibility: str) -> None:
    """The listing tells of the highest version; an older one that is published later changes nothing there."""
    latest = experience.latest
    if latest is not None and latest.yanked_at is None and semver_key(latest.version) > semver_key(version.version):
        return
    experience.latest = version
    experience.visibility = visibility
    experience.title = package.manifest.title
    experience.summary = package.manifest.summary or package.skill.description
    experience.topics = package.manifest.topics
    experience.save(update_fields=["latest", "visibility", "title", "summary", "topics"])


def semver_key(text: str) -> tuple[Order, int, tuple[tuple[int, int, str], ...]]:
    """Sorts as semver.org says: numbers by value, a pre-release before its release, build data not at all."""
    core, _plus, _build = text.partition("+")
    release, dash, pre = core.partition("-")
    parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".")) if dash else ()
    return Order(release), 0 if dash else 1, parts


def _enqueue_first(version: Version, package: Package) -> None:
    names = sorted({name for scenario in package.manifest.scenarios for name in scenario.environments})
    for name in names:
        Verification.objects.create(
            version=version,
            environment_name=name,
            trigger=Verification.Trigger.PUBLISH,
            priority=PUBLISH_PRIORITY,
        )
    nudge_after_commit(len(names))
