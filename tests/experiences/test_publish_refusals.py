"""What is no package, or not one that may be published: refused by its rule, and nothing is stored."""

from __future__ import annotations

import io
import random
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory

from accounts.domain.refusals import TooLarge
from accounts.models import Organization
from experiences.api import ArchiveParser
from experiences.models import Experience, Version
from experiences.services.publish import publish as publish_archive
from tests import factories
from tests.experiences.conftest import kept, publish
from tests.experiences.test_publish import send
from tests.packages import MANIFEST, SKILL, package_bytes


def test_a_body_that_says_it_is_too_large_is_not_read(acme: Organization, store: Path) -> None:
    key = factories.agent_key(acme)
    before = kept(store)
    answer = Client().generic(
        "POST",
        "/api/v1/organizations/acme/versions",
        data=b"short",
        content_type="application/gzip",
        headers=key.headers,
        CONTENT_LENGTH=str(1 << 40),
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert kept(store) == before


def test_a_body_of_unknown_length_is_read_only_up_to_the_limit(settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"upload_max_bytes": 1024})
    context = {"request": RequestFactory().post("/")}
    context["request"].META.pop("CONTENT_LENGTH", None)
    assert ArchiveParser().parse(io.BytesIO(b"x" * 1024), parser_context=context) == b"x" * 1024
    endless = io.BytesIO(b"x" * 5000)
    with pytest.raises(TooLarge) as refused:
        ArchiveParser().parse(endless, parser_context=context)
    assert (refused.value.code, endless.tell()) == ("archive_too_large", 1025)


def test_the_use_case_itself_refuses_what_is_too_large(acme: Organization, store: Path, settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"upload_max_bytes": 1024})
    before = kept(store)
    with pytest.raises(TooLarge) as refused:
        publish_archive(actor=factories.owner_actor(acme), organization_slug="acme", archive=b"x" * 1025)
    assert refused.value.code == "archive_too_large"
    assert kept(store) == before


@pytest.mark.parametrize(
    ("content_type", "data", "status", "code"),
    [
        ("application/gzip", b"", 422, "archive_not_gzip"),
        ("", b"", 422, "archive_not_gzip"),
        ("application/json", b"{}", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", b"a=b", 415, "unsupported_media_type"),
    ],
)
def test_a_request_without_an_archive_is_refused(
    acme: Organization, store: Path, content_type: str, data: bytes, status: int, code: str
) -> None:
    key = factories.agent_key(acme)
    before = kept(store)
    answer = Client().generic(
        "POST", "/api/v1/organizations/acme/versions", data=data, content_type=content_type, headers=key.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert kept(store) == before


def hostile_names() -> list[str]:
    from hostile import HOSTILE

    return sorted(HOSTILE)


@pytest.mark.parametrize("name", hostile_names())
def test_a_hostile_archive_is_refused_by_its_rule_and_nothing_is_stored(
    acme: Organization, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from hostile import HOSTILE

    archive, code = HOSTILE[name]
    key = factories.agent_key(acme)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    before = kept(store)
    answer = send(acme, archive, key)
    body = answer.json()
    assert answer.status_code in (413, 422), body
    assert body["code"] == code
    assert body["detail"].endswith(".")
    assert body["rule"] == code
    assert "file" in body
    assert "line" in body
    assert "Traceback" not in str(body)
    assert kept(store) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_review_refuses_with_all_its_findings(acme: Organization, store: Path) -> None:
    key = factories.agent_key(acme)
    before = kept(store)
    archive = package_bytes(
        files={"assets/one.txt": "AKIA" + "A" * 16 + "\n", "assets/two.txt": "first\n-----BEGIN PRIVATE KEY-----\n"}
    )
    answer = send(acme, archive, key)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "secret_found")
    errors = [(item["file"], item["line"]) for item in body["findings"] if item["level"] == "error"]
    assert errors == [("assets/one.txt", 1), ("assets/two.txt", 2)]
    assert (body["file"], body["line"]) == ("assets/one.txt", 1)
    assert kept(store) == before


def test_a_version_number_that_cannot_be_kept_is_refused(acme: Organization, store: Path) -> None:
    key = factories.agent_key(acme)
    before = kept(store)
    answer = send(acme, package_bytes(version="99999999999.0.0"), key)
    assert (answer.status_code, answer.json()["code"]) == (422, "version_unusable")
    assert kept(store) == before


def test_texts_in_every_script_are_kept_exactly(acme: Organization) -> None:
    title = "証明書を更新する 🔑 ‘ﬁne’ é"
    publish(acme, title=title, summary="한국어 \u200d العربية")
    experience = Experience.objects.get()
    assert (experience.title, experience.summary) == (title, "한국어 \u200d العربية")


def test_very_long_texts_in_a_script_of_many_characters_can_be_indexed(acme: Organization) -> None:
    def text(seed: int, length: int) -> str:
        return "".join(map(chr, random.Random(seed).choices(range(0x4E00, 0x9FA0), k=length)))

    steps = [
        {**deepcopy(MANIFEST["steps"][0]), "id": f"step_{number}", "title": text(200 * number, 200)}
        for number in range(150)
    ]
    version = publish(
        acme,
        summary=text(1, 1000),
        steps=[*steps, MANIFEST["steps"][1]],
        skill=SKILL.format(name="write-greeting") + text(3, 60_000),
    )
    assert Version.objects.filter(pk=version.pk, search=text(1, 2)).count() == 1
