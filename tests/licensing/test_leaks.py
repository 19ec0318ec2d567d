"""Whose copy a leaked package was: from the archive, from its text alone, and never from thin air."""

from __future__ import annotations

import shutil
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from experiences.blobs import local_path
from experiences.models import Version
from keiken.package import digest
from keiken.package.archive import read_files, write_files
from keiken.package.watermark import original
from licensing.models import Grant
from licensing.services import mark_copy
from licensing.services.create_offer import create_offer
from licensing.services.create_terms import create_terms
from tests import factories
from tests.licensing.buying import new_buyer
from tests.packages import package_bytes

LINES = "".join(f"Line {number} of the text.\n\n" for number in range(20))


class Leak:
    """A published package, five licenses, and the copy of the third."""

    def __init__(self) -> None:
        from experiences.services.publish import publish
        from licensing.services.accept_offer import accept_offer

        organization = factories.organization("acme")
        owner = factories.owner_actor(organization)
        self.archive = package_bytes(files={"references/more.md": LINES})
        self.version: Version = publish(actor=owner, organization_slug="acme", archive=self.archive).version
        terms = create_terms(
            actor=owner, organization=organization, name="terms", kind="custom", text="Read it.", uses=["read"]
        )
        offer = create_offer(actor=owner, experience=self.version.experience, terms=terms, kind="free")
        self.grants: list[Grant] = [
            accept_offer(actor=new_buyer(f"buyer-{n}"), offer_id=offer.pk, terms_sha256=terms.text_sha256)
            for n in range(5)
        ]
        self.grant = self.grants[2]
        # The keys are those of the test before, its copies must not be.
        shutil.rmtree(mark_copy._path(self.version.blob_id, self.grant.pk).parent, ignore_errors=True)
        copy = mark_copy.marked_copy(self.version.blob_id, self.grant.pk)
        assert copy is not None
        self.copy = copy.read_bytes()

    def text(self, path: str = "references/more.md") -> str:
        return (read_files(self.copy)[path].content or b"").decode()


@pytest.fixture
def leak(db: None, monkeypatch: pytest.MonkeyPatch) -> Leak:
    """Always with the same keys: of random ones, a neighbour's agree with half a text by chance once in a hundred."""
    numbers = count(1)
    monkeypatch.setattr(Grant._meta.pk, "_get_default", lambda: UUID(int=next(numbers)))
    monkeypatch.setattr(settings, "SECRET_KEY", "always the same")
    return Leak()


def test_each_license_has_its_own_copy_of_the_same_package(leak: Leak) -> None:
    copies = [mark_copy.marked_copy(leak.version.blob_id, grant.pk) for grant in leak.grants]
    contents = [path.read_bytes() for path in copies if path is not None]
    assert len({digest(content) for content in contents}) == 5
    assert {original(content) for content in contents} == {leak.archive}


def test_a_leaked_archive_names_its_license(leak: Leak) -> None:
    (trace,) = mark_copy.trace_leak(leak.copy)
    assert (trace.grant, trace.version, trace.by) == (leak.grant, leak.version, "text")
    assert trace.agreeing == trace.lines >= 40
    assert trace.chance < 1e-20


def test_without_its_header_it_still_does(leak: Leak) -> None:
    stripped = write_files(read_files(leak.copy))
    (trace,) = mark_copy.trace_leak(stripped)
    assert (trace.grant, trace.by) == (leak.grant, "text")


def test_half_of_the_text_with_another_header_still_does(leak: Leak) -> None:
    files = dict(read_files(leak.copy))
    from dataclasses import replace

    half = leak.text()[: len(leak.text()) // 2].encode()
    files["references/more.md"] = replace(files["references/more.md"], content=half, size=len(half))
    other = str(leak.grants[0].pk).encode()
    forged = write_files(files)
    extra = b'{"license":"' + other + b'","files":["SKILL.md"]}'
    field = b"KK" + len(extra).to_bytes(2, "little") + extra
    forged = forged[:3] + b"\x04" + forged[4:10] + len(field).to_bytes(2, "little") + field + forged[10:]
    traces = mark_copy.trace_leak(forged)
    assert [(trace.grant, trace.by) for trace in traces] == [(leak.grant, "text"), (leak.grants[0], "header")]


def test_nobody_is_accused_of_what_carries_no_marks(leak: Leak) -> None:
    assert mark_copy.trace_leak(leak.archive) == []
    assert mark_copy.trace_leak(b"---\nname: write-greeting\n---\nsomething else\n") == []
    assert mark_copy.trace_leak(b"") == []


def test_a_full_disk_is_no_reason_to_refuse(leak: Leak, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert mark_copy.marked_copy(leak.version.blob_id, leak.grants[0].pk) is None


def test_the_operators_command(leak: Leak, tmp_path: Path) -> None:
    file = tmp_path / "leaked.tar.gz"
    file.write_bytes(write_files(read_files(leak.copy)))
    out = StringIO()
    call_command("trace-leak", str(file), stdout=out)
    assert out.getvalue().startswith(f"{leak.grant.pk} buyer-2 {leak.version}: ")
    path = local_path(leak.version.blob_id)
    assert path is not None
    with pytest.raises(CommandError, match="No license's marks"):
        call_command("trace-leak", str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("trace-leak", str(tmp_path / "absent"))
