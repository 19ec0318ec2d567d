"""Publishing: everything is judged before anything is written; then the bytes, then one transaction."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.access import organization_for
from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Invalid, Refusal, TooLarge, Unavailable
from accounts.models import Organization
from accounts.services import audit, outbox
from accounts.services.constraints import broken_constraint
from experiences.blobs import has_blob, store_blob
from experiences.models import Blob, Experience, Version
from experiences.services.interning import intern
from experiences.services.listing import choose_latest, index
from experiences.services.queueing import add_rows, environment_names, nudge_after_commit
from keiken.conditions import parse
from keiken.errors import PackageError
from keiken.package import Package, review, unpack
from keiken.workspace import workspace

TOO_LARGE = frozenset({"archive_too_large", "archive_too_many_files", "archive_ratio", "package_too_large"})
MAJOR_MAX = 2**31 - 1
TAKEN = frozenset({"version_once", "experience_name_once"})
"""The constraints that two publishers of the same version at once may break."""


@dataclass(frozen=True)
class Published:
    version: Version
    created: bool
    """False when exactly these bytes were published before."""


@dataclass(frozen=True)
class _Job:
    actor: Actor
    organization: Organization
    package: Package
    archive: bytes
    digest: str
    visibility: str | None


def publish(*, actor: Actor, organization_slug: str, archive: bytes, visibility: str | None = None) -> Published:
    """Publish an archive for an organization.

    ``visibility`` None leaves an experience as open as it is; a new one is then public. Said with bytes that were
    published before, it changes who sees the experience and nothing else.

    Raises Forbidden, NotFound, TooLarge, Invalid with the package rule's code and place, Conflict ``version_exists``
    when the version has other bytes, or Unavailable when the disk is full. A refusal leaves nothing behind.
    """
    actor.require("publish")
    organization = organization_for(actor, organization_slug)
    actor.require("publish", organization.pk)
    if visibility is not None and visibility not in Experience.Visibility.values:
        raise Invalid(
            "visibility_unknown", _("The visibility is 'public' or 'organization'."), _("Use one of the two.")
        )
    if len(archive) > settings.KEIKEN.upload_max_bytes:
        raise TooLarge(
            "archive_too_large",
            _("The package is larger than {n} bytes.").format(n=settings.KEIKEN.upload_max_bytes),
            _("Leave out what a replay does not need."),
        )
    with _full_disk_refused(), workspace() as folder:
        package = judged(archive, folder / "package")
        _refuse_if_taken(organization, package)
        digest = store_blob(archive)
    job = _Job(actor, organization, package, archive, digest, visibility)
    try:
        return _write(job)
    except IntegrityError as error:
        if broken_constraint(error) not in TAKEN:
            raise
        # Somebody published the same version in the same moment: theirs is there now, and decides.
        return _write(job)


def judged(archive: bytes, folder: Path) -> Package:
    """Unpack, check and review. Raises Invalid or TooLarge; nothing of it has run."""
    try:
        package = unpack(archive, folder)
    except PackageError as error:
        kind: type[Refusal] = TooLarge if error.code in TOO_LARGE else Invalid
        raise kind(error.code, error.message, error.advice, error.details) from None
    findings = review(package)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        first = errors[0]
        raise Invalid(
            first.code,
            first.message,
            _("Mend it and see with 'keiken check' before you publish again."),
            {
                "file": first.file,
                "line": first.line,
                "rule": first.code,
                "findings": [asdict(finding) for finding in findings],
            },
        )
    if package.manifest.major > MAJOR_MAX or not package.manifest.version.isascii():
        raise Invalid(
            "version_unusable",
            _("experience.yaml: the version {version} is no version this marketplace can keep.").format(
                version=package.manifest.version
            ),
            _("Use plain numbers, the first below 2,147,483,648."),
            {"file": "experience.yaml", "rule": "version_unusable"},
        )
    return package


@contextmanager
def _full_disk_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Unavailable(
            "storage_full",
            _("The marketplace has no room for packages at the moment. Nothing was published."),
            _("Try again later; if it stays, tell the operators."),
        ) from error


def _refuse_if_taken(organization: Organization, package: Package) -> None:
    """Spare the store the bytes of a version that has others. At a tie ``_write`` refuses."""
    known = Version.objects.filter(
        experience__organization=organization,
        experience__name=package.manifest.name,
        version=package.manifest.version,
    ).first()
    if known is not None and known.blob_id != package.digest:
        raise _exists(known, package)


def _exists(known: Version, package: Package) -> Conflict:
    return Conflict(
        "version_exists",
        _("{name}@{version} was already published with other bytes, and a published version never changes.").format(
            name=package.manifest.name, version=package.manifest.version
        ),
        _("Raise the version in experience.yaml and publish again."),
        {"digest": known.blob_id},
    )


def _write(job: _Job) -> Published:
    manifest = job.package.manifest
    with transaction.atomic(durable=True):
        experience, is_new = Experience.objects.select_for_update().get_or_create(
            organization=job.organization,
            name=manifest.name,
            defaults={"visibility": job.visibility or Experience.Visibility.PUBLIC, "title": manifest.title},
        )
        known = Version.objects.filter(experience=experience, version=manifest.version).first()
        if known is not None and known.blob_id != job.digest:
            raise _exists(known, job.package)
        if not is_new:
            _show_to(job, experience)
        if known is not None:
            return Published(known, created=False)
        version = _version(job, experience)
        choose_latest(experience)
        names = environment_names(version)
        add_rows(version, names, "publish")
        nudge_after_commit(len(names))
        audit.record(
            actor=job.actor,
            action="experience.publish",
            target=str(version),
            organization_id=job.organization.pk,
            details={"digest": job.digest, "visibility": experience.visibility},
        )
        data = {"experience": str(experience), "version": version.version, "digest": job.digest}
        outbox.tell("version.published", [job.organization.pk], data)
    return Published(version, created=True)


def _show_to(job: _Job, experience: Experience) -> None:
    if job.visibility is None or job.visibility == experience.visibility:
        return
    before, experience.visibility = experience.visibility, job.visibility
    experience.save(update_fields=["visibility"])
    audit.record(
        actor=job.actor,
        action="experience.visibility",
        target=str(experience),
        organization_id=job.organization.pk,
        details={"from": before, "to": job.visibility},
    )


def _version(job: _Job, experience: Experience) -> Version:
    manifest, skill = job.package.manifest, job.package.skill
    _blob(job)
    version = Version.objects.create(
        experience=experience,
        version=manifest.version,
        major=manifest.major,
        blob_id=job.digest,
        manifest=manifest.model_dump(mode="json", exclude_none=True),
        skill={"name": skill.name, "description": skill.description, "body": skill.body},
        condition_ids=intern(parse(manifest.conditions)),
        published_by=job.actor.name[:100],
    )
    index(version)
    return version


def _blob(job: _Job) -> None:
    """From the row on, the sweep waits for us; it may have taken the file between our storing it and this row."""
    _row, is_new = Blob.objects.get_or_create(digest=job.digest, defaults={"size_bytes": len(job.archive)})
    if is_new and not has_blob(job.digest):
        store_blob(job.archive)
