"""Licenses without the network: each reason to refuse has its own code, and nothing is replayed then."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import marketplaces
import pytest
from client_packages import flipped, write_package
from commands import Ran, keiken_json
from loopback import Answer
from marketplace_parts import now, payload_of
from marketplaces import KEY, Marketplace

from keiken.package import pack
from keiken.trust import SigningKey, sign
from keiken.trust.licenses import LICENSE_TYPE

REFERENCE = "acme/write-greeting"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def config(working_folder: Path) -> Path:
    return working_folder / "config"


@pytest.fixture
def marketplace(tmp_path: Path) -> Iterator[Marketplace]:
    with marketplaces.running() as running:
        archive = pack(write_package(tmp_path / "made"))
        running.attest(running.publish(archive, tmp_path / "unpacked"))
        running.is_granted = True
        assert keiken_json("login", "--server", running.url, KEIKEN_API_KEY=KEY).exit_code == 0
        yield running


def pull() -> Ran:
    return keiken_json("pull", REFERENCE)


def offline(marketplace: Marketplace) -> Ran:
    """Replay what was pulled; the marketplace is not asked."""
    marketplace.requests.clear()
    ran = keiken_json("replay", REFERENCE)
    assert marketplace.requests == []
    return ran


def token_file(config: Path) -> Path:
    (found,) = config.glob("licenses/*/acme/write-greeting.json")
    return found


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ({"holder": "another agent"}, "license_of_other_agent"),
        ({"organization": "initech"}, "license_of_other_agent"),
        ({"experience": "acme/other"}, "license_of_other_experience"),
        ({"versions": ">=2.0"}, "version_not_licensed"),
        ({"uses": ("read",)}, "use_not_licensed"),
        ({"grant_ends_at": "2026-01-01T00:00:00+00:00"}, "license_expired"),
        ({"expires_at": "2026-01-01T00:00:00+00:00"}, "license_token_expired"),
        ({"issued_at": now(DAY)}, "clock_set_back"),
        ({"counted": True, "replays_left": 0}, "quota_exhausted"),
        ({"expires_at": "soon"}, "license_malformed"),
    ],
)
def test_what_a_license_does_not_say_is_refused(marketplace: Marketplace, says: dict[str, Any], code: str) -> None:
    assert pull().exit_code == 0
    marketplace.license_changes = says
    ran = pull()
    if ran.exit_code == 0:
        ran = offline(marketplace)
    assert (ran.exit_code, ran.code) == (3, code)
    marketplace.license_changes = {}
    assert pull().exit_code == 0
    assert offline(marketplace).exit_code == 0


@pytest.mark.parametrize("code", ["license_revoked", "license_refunded", "license_disputed", "license_frozen"])
def test_what_was_taken_back_is_refused_with_its_reason(marketplace: Marketplace, code: str) -> None:
    marketplace.revoked = {"grant-2": "license_revoked", "grant-1": code}
    assert pull().exit_code == 0
    ran = offline(marketplace)
    assert (ran.exit_code, ran.code) == (3, code)


def test_a_list_of_revocations_that_is_too_old_says_nothing(marketplace: Marketplace, config: Path) -> None:
    marketplace.revoked_at = now(-4 * DAY)
    assert pull().exit_code == 0
    assert offline(marketplace).code == "revocations_outdated"
    marketplace.revoked_at = ""
    assert pull().exit_code == 0
    assert offline(marketplace).exit_code == 0
    next(config.glob("licenses/*/revocations.json")).unlink()
    assert offline(marketplace).code == "revocations_outdated"


def test_a_clock_that_goes_back_is_noticed_until_the_marketplace_says_the_time(
    marketplace: Marketplace, config: Path
) -> None:
    assert pull().exit_code == 0
    before = now()
    assert offline(marketplace).exit_code == 0
    assert json.loads((config / "clock.json").read_text())[:10] in (before[:10], now()[:10])
    (config / "clock.json").write_text(json.dumps(now(40 * DAY)))
    ran = offline(marketplace)
    assert (ran.exit_code, ran.code) == (3, "clock_set_back")
    assert pull().exit_code == 0
    assert offline(marketplace).exit_code == 0


def test_a_token_that_was_changed_is_refused(marketplace: Marketplace, config: Path) -> None:
    assert pull().exit_code == 0
    path = token_file(config)
    envelope = json.loads(path.read_text())
    generous = {**payload_of(envelope), "uses": ["replay", "resell"]}
    changed = [
        {**envelope, "payload": base64.b64encode(json.dumps(generous).encode()).decode()},
        {**envelope, "payload": base64.b64encode(flipped(base64.b64decode(envelope["payload"]), 20)).decode()},
        {**envelope, "signatures": []},
        {**envelope, "payloadType": "application/vnd.in-toto+json"},
        sign(generous, SigningKey.generate(), LICENSE_TYPE),
        marketplace.attestations["acme", "write-greeting", "1.0.0"][0],
    ]
    codes = []
    for document in changed:
        path.write_text(json.dumps(document))
        ran = offline(marketplace)
        assert ran.exit_code == 3
        codes.append(ran.code)
    malformed, unsigned = "envelope_malformed", "signature_invalid"
    assert codes == [unsigned, unsigned, malformed, malformed, unsigned, malformed]
    path.unlink()
    assert offline(marketplace).code == "license_missing"


def test_a_token_of_another_marketplace_is_refused(marketplace: Marketplace, config: Path, tmp_path: Path) -> None:
    assert pull().exit_code == 0
    with marketplaces.running() as other:
        archive = pack(tmp_path / "made")
        other.attest(other.publish(archive, tmp_path / "other"))
        other.is_granted = True
        other.license_changes = {"grant": "grant-9"}
        assert keiken_json("login", "--server", other.url, KEIKEN_API_KEY=KEY).exit_code == 0
        assert pull().exit_code == 0
        foreign = next(path for path in config.glob("licenses/*/acme/*.json") if str(other.url)[-5:] in str(path))
    assert keiken_json("login", "--server", marketplace.url, KEIKEN_API_KEY=KEY).exit_code == 0
    own = next(path for path in config.glob("licenses/*/acme/*.json") if path != foreign)
    shutil.copy(foreign, own)
    assert offline(marketplace).code == "signature_invalid"
    # One operator, one key, two marketplaces.
    marketplace.license_changes = {"server": "https://elsewhere.example"}
    own.write_text(json.dumps(license_of(marketplace)))
    assert offline(marketplace).code == "license_of_other_marketplace"


def license_of(marketplace: Marketplace) -> Any:
    """A token signed by this marketplace, whatever it says."""

    class Asked:
        json = {"receipt_key": SigningKey.generate().public.as_base64()}

    answer = marketplace.license(Asked(), "acme", "write-greeting", "1.0.0")  # type: ignore[arg-type]
    return answer.body["envelope"]  # type: ignore[index,call-overload]


def test_ones_own_needs_no_license(marketplace: Marketplace, config: Path) -> None:
    archive = marketplace.versions["acme", "write-greeting", "1.0.0"]
    from keiken.package import digest

    headers = {"Keiken-Digest": digest(archive), "Keiken-License": "own"}
    marketplace.faults[f"GET /experiences/{REFERENCE}/versions/1.0.0/package"] = [
        Answer(200, archive, headers, "application/gzip")
    ]
    assert pull().exit_code == 0
    assert list(config.glob("licenses/*/acme/*")) == []
    assert offline(marketplace).exit_code == 0


# --- counted replays


def test_counted_replays_are_told_once_and_end_with_the_quota(marketplace: Marketplace, config: Path) -> None:
    marketplace.license_changes = {"counted": True, "replays_left": 2}
    assert pull().exit_code == 0
    ids = [offline(marketplace).document["replay_id"] for _number in range(2)]
    assert offline(marketplace).code == "quota_exhausted"
    assert marketplace.receipts == []

    assert keiken_json("report").exit_code == 0
    assert keiken_json("report").exit_code == 0
    assert [receipt["replay_id"] for receipt in marketplace.receipts] == ids
    assert [receipt["number"] for receipt in marketplace.receipts] == [1, 2]
    assert offline(marketplace).code == "quota_exhausted"
    assert pull().exit_code == 0
    assert offline(marketplace).exit_code == 0, "the new token says anew what is left"


def test_a_replay_that_did_not_succeed_is_not_counted(marketplace: Marketplace, config: Path) -> None:
    marketplace.license_changes = {"counted": True, "replays_left": 1}
    assert pull().exit_code == 0
    assert keiken_json("replay", REFERENCE, "-p", f"who={'x' * 99}").exit_code != 0
    assert list(config.glob("licenses/*/receipts/*.json")) == []
    assert offline(marketplace).exit_code == 0
    assert len(list(config.glob("licenses/*/receipts/*.json"))) == 1


def test_a_receipt_that_was_changed_is_none(marketplace: Marketplace, config: Path) -> None:
    marketplace.license_changes = {"counted": True, "replays_left": 9}
    assert pull().exit_code == 0
    assert offline(marketplace).exit_code == 0
    (path,) = config.glob("licenses/*/receipts/*.json")
    envelope = json.loads(path.read_text())
    path.write_text(json.dumps({**envelope, "payload": base64.b64encode(b"{}").decode()}))
    assert keiken_json("report").exit_code == 0
    assert marketplace.receipts == []


def test_a_marketplace_that_does_not_sign_is_told_so(marketplace: Marketplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keiken.client.licenses.SIGNING_SECONDS", 0)
    marketplace.faults[f"POST /experiences/{REFERENCE}/versions/1.0.0/license"] = [Answer(202, {"envelope": None})]
    ran = pull()
    assert (ran.exit_code, ran.code) == (3, "license_not_signed")
    assert pull().exit_code == 0
