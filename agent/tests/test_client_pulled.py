"""What was pulled can be believed later without any network, and every change to it is found."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import marketplaces
import pytest
from client_packages import flipped, write_package
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import Answer
from marketplaces import KEY, Marketplace

from keiken.client import Client, Pulled, Reference, find, pull, standing, verified_claims
from keiken.errors import KeikenError, PackageError, TrustError, UsageError
from keiken.package import digest, pack
from keiken.trust import SigningKey

NAME = Reference.parse("acme/write-greeting")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

DAMAGED = {
    "digest_mismatch",
    "envelope_malformed",
    "signature_invalid",
    "checkpoint_malformed",
    "checkpoint_signature_invalid",
    "log_proof_malformed",
    "not_in_log",
}


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEIKEN_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def marketplace(tmp_path: Path) -> Iterator[Marketplace]:
    with marketplaces.running() as running:
        publish(running, tmp_path / "made")
        running.attest("acme/write-greeting@1.0.0")
        running.is_granted = True
        yield running


def publish(marketplace: Marketplace, folder: Path, **manifest: object) -> str:
    archive = pack(write_package(folder / "package", **manifest))
    return marketplace.publish(archive, folder / "unpacked")


def pulled_from(marketplace: Marketplace, reference: Reference = NAME, *, fresh: bool = False) -> Pulled:
    with Client(marketplace.url, KEY) as client:
        return pull(client, reference, keys=[marketplace.key.public], fresh=fresh)[0]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_bytes_and_statements_are_kept_by_their_digests(marketplace: Marketplace) -> None:
    pulled = pulled_from(marketplace)
    archive = marketplace.versions["acme", "write-greeting", "1.0.0"]
    assert pulled.digest == digest(archive)
    assert pulled.archive.read_bytes() == archive
    assert pulled.archive.parent.name == pulled.digest.removeprefix("sha256:")
    assert pulled.grant == "grant-1"
    assert find(marketplace.url, NAME) == pulled
    (claim,) = verified_claims(pulled, [marketplace.key.public])
    assert (claim.verdict, claim.environment, claim.reference) == ("passed", "debian-12", "acme/write-greeting@1.0.0")


def test_what_is_here_is_not_fetched_again_but_the_license_is_asked_for(marketplace: Marketplace) -> None:
    pulled_from(marketplace)
    marketplace.requests.clear()
    pulled_from(marketplace)
    (package,) = [request for request in marketplace.requests if request.path.endswith("/package")]
    assert "if-none-match" in package.headers
    marketplace.is_granted = False
    with pytest.raises(KeikenError) as caught:
        pulled_from(marketplace)
    assert (caught.value.code, caught.value.exit_code) == ("license_required", 3)


def test_a_damaged_copy_is_fetched_again(marketplace: Marketplace) -> None:
    pulled = pulled_from(marketplace)
    whole = pulled.archive.read_bytes()
    pulled.archive.write_bytes(whole[:-1])
    pulled_from(marketplace)
    assert pulled.archive.read_bytes() == whole


def test_a_refused_pull_leaves_nothing(marketplace: Marketplace, tmp_path: Path) -> None:
    marketplace.is_granted = False
    with pytest.raises(KeikenError) as caught:
        pulled_from(marketplace)
    assert caught.value.details["offers"][0]["id"] == "offer-1"
    assert files_below(tmp_path / "cache") == {}
    assert not (tmp_path / "config").exists()


PACKAGE = "GET /experiences/acme/write-greeting/versions/1.0.0/package"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(200, b"other bytes", content_type="application/gzip"), "digest_mismatch"),
        (Answer(200, b"", content_type="application/gzip"), "digest_mismatch"),
        (Answer(200, b"half", declared_length=4_000, content_type="application/gzip"), "server_unreachable"),
        (Answer(200, b"\0" * ((16 << 20) + 1), content_type="application/gzip"), "server_answer_malformed"),
    ],
    ids=["other bytes", "nothing", "half", "too much"],
)
def test_wrong_bytes_are_not_kept(marketplace: Marketplace, tmp_path: Path, answer: Answer, code: str) -> None:
    marketplace.faults[PACKAGE] = [answer]
    with pytest.raises(KeikenError) as caught:
        pulled_from(marketplace)
    assert caught.value.code == code
    assert files_below(tmp_path / "cache") == {}
    with pytest.raises(UsageError):
        find(marketplace.url, NAME)


def test_a_broken_fresh_download_leaves_the_old_copy(marketplace: Marketplace) -> None:
    pulled = pulled_from(marketplace)
    before = pulled.archive.read_bytes()
    marketplace.faults[PACKAGE] = [Answer(200, before[:50], declared_length=4_000)]
    with pytest.raises(KeikenError):
        pulled_from(marketplace, fresh=True)
    assert pulled.archive.read_bytes() == before
    assert verified_claims(pulled, [marketplace.key.public])


def test_a_package_that_is_another_than_announced_is_refused(marketplace: Marketplace, tmp_path: Path) -> None:
    other = pack(write_package(tmp_path / "other", name="other"))
    marketplace.versions["acme", "write-greeting", "1.0.0"] = other
    marketplace.attestations.clear()
    with pytest.raises(PackageError) as caught:
        pulled_from(marketplace)
    assert caught.value.code == "package_mismatch"
    with pytest.raises(UsageError):
        find(marketplace.url, NAME)


def test_statements_that_a_stranger_signed_are_refused(marketplace: Marketplace) -> None:
    marketplace.attest("acme/write-greeting@1.0.0", key=SigningKey.generate())
    with pytest.raises(TrustError) as caught:
        pulled_from(marketplace)
    assert caught.value.code == "signature_invalid"
    with pytest.raises(UsageError):
        find(marketplace.url, NAME)


def test_statements_about_another_package_are_refused(marketplace: Marketplace) -> None:
    marketplace.attest("acme/write-greeting@1.0.0", package_digest="sha256:" + "0" * 64)
    with pytest.raises(TrustError) as caught:
        pulled_from(marketplace)
    assert caught.value.code == "digest_mismatch"


def test_without_statements_it_is_pulled_and_proves_nothing(marketplace: Marketplace) -> None:
    marketplace.attestations.clear()
    assert verified_claims(pulled_from(marketplace), [marketplace.key.public]) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_every_flipped_bit_on_disk_is_found(marketplace: Marketplace, data: st.DataObject) -> None:
    pulled = pulled_from(marketplace)
    for path in (pulled.archive, pulled.attestations):
        whole = path.read_bytes()
        path.write_bytes(flipped(whole, data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))))
        with pytest.raises(TrustError) as caught:
            verified_claims(pulled, [marketplace.key.public])
        path.write_bytes(whole)
        assert caught.value.code in DAMAGED
        assert caught.value.exit_code == 3
    assert len(verified_claims(pulled, [marketplace.key.public])) == 1


def test_a_missing_file_is_named(marketplace: Marketplace) -> None:
    pulled = pulled_from(marketplace)
    pulled.attestations.unlink()
    with pytest.raises(TrustError, match="attestations-") as caught:
        verified_claims(pulled, [marketplace.key.public])
    assert caught.value.code == "package_missing"


def test_without_a_pinned_key_nothing_is_believed(marketplace: Marketplace) -> None:
    pulled = pulled_from(marketplace)
    with pytest.raises(TrustError) as caught:
        verified_claims(pulled, [])
    assert caught.value.code == "key_unknown"


def test_the_newest_version_is_found_by_the_rules_of_semver(marketplace: Marketplace, tmp_path: Path) -> None:
    for version in ("1.10.0", "1.9.0", "2.0.0-rc.1"):
        publish(marketplace, tmp_path / version, version=version)
        pulled_from(marketplace, NAME.at(version))
    assert find(marketplace.url, NAME).version == "2.0.0-rc.1"
    assert find(marketplace.url, NAME.at("1.9.0")).version == "1.9.0"
    with pytest.raises(UsageError) as caught:
        find(marketplace.url, NAME.at("3.0.0"))
    assert caught.value.code == "not_pulled"


def test_parties_that_share_a_cache_share_no_licenses(
    marketplace: Marketplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pulled_from(marketplace)
    monkeypatch.setenv("KEIKEN_CONFIG_DIR", str(tmp_path / "another"))
    with pytest.raises(UsageError):
        find(marketplace.url, NAME)
    marketplace.attest("acme/write-greeting@1.0.0", environment="debian-12-web")
    second = pulled_from(marketplace)
    assert second.archive == first.archive
    assert second.attestations != first.attestations
    assert len(verified_claims(first, [marketplace.key.public])) == 1
    assert len(verified_claims(second, [marketplace.key.public])) == 2


def test_two_marketplaces_are_two_places(marketplace: Marketplace) -> None:
    pulled_from(marketplace)
    with pytest.raises(UsageError):
        find("https://other.example", NAME)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": 1}', "\0"])
def test_a_damaged_note_counts_as_not_pulled(marketplace: Marketplace, tmp_path: Path, content: str) -> None:
    pulled_from(marketplace)
    (note,) = (tmp_path / "config" / "pulled").rglob("1.0.0.json")
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    note.write_text(content)
    with pytest.raises(UsageError):
        find(marketplace.url, NAME)
    pulled_from(marketplace)
    assert find(marketplace.url, NAME).version == "1.0.0"


def test_a_note_that_points_elsewhere_does_not_count(marketplace: Marketplace, tmp_path: Path) -> None:
    pulled_from(marketplace)
    (note,) = (tmp_path / "config" / "pulled").rglob("1.0.0.json")
    document = json.loads(note.read_text())
    for change in ({"digest": "../../etc"}, {"name": "other"}, {"attestations_digest": "sha256:../x"}):
        note.write_text(json.dumps({**document, **change}))
        with pytest.raises(UsageError):
            find(marketplace.url, NAME)


def test_a_full_disk_is_said(marketplace: Marketplace, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(KeikenError) as caught:
        pulled_from(marketplace)
    assert (caught.value.code, caught.value.exit_code) == ("disk_trouble", 1)


def test_what_holds_now_is_the_newest_verdict_of_each_environment(marketplace: Marketplace) -> None:
    reference = "acme/write-greeting@1.0.0"
    marketplace.attestations.clear()
    marketplace.attest(reference, "failed", at=NOW)
    marketplace.attest(reference, "passed", at=NOW - timedelta(days=1))
    marketplace.attest(reference, "passed", "debian-12-web", at=NOW - timedelta(days=2))
    claims = verified_claims(pulled_from(marketplace), [marketplace.key.public])
    assert {name: claim.verdict for name, claim in standing(claims).items()} == {
        "debian-12": "failed",
        "debian-12-web": "passed",
    }
