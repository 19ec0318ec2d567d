"""From login to acceptance and offline proof, against a marketplace on loopback."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import marketplace_parts
import marketplaces
import pytest
from client_packages import flipped, write_package
from commands import keiken, keiken_json, process
from loopback import Answer, Problem
from marketplaces import KEY, Marketplace

from keiken.package import pack
from keiken.trust import SigningKey, succession

pytestmark = pytest.mark.usefixtures("folders")

REFERENCE = "acme/write-greeting"

DAMAGED = {
    "digest_mismatch",
    "envelope_malformed",
    "signature_invalid",
    "checkpoint_malformed",
    "checkpoint_signature_invalid",
    "log_proof_malformed",
    "not_in_log",
}


@pytest.fixture
def marketplace(tmp_path: Path) -> Iterator[Marketplace]:
    with marketplaces.running() as running:
        archive = pack(write_package(tmp_path / "made"))
        running.attest(running.publish(archive, tmp_path / "unpacked"))
        yield running


@pytest.fixture
def signed_in(marketplace: Marketplace) -> Marketplace:
    assert keiken_json("login", "--server", marketplace.url, KEIKEN_API_KEY=KEY).exit_code == 0
    marketplace.requests.clear()
    return marketplace


def test_facts_are_kept_as_a_profile_of_the_organization(signed_in: Marketplace) -> None:
    first = keiken_json("facts", "--tool", "cp", "--save", "build-server", "--note", "builds")
    assert (first.exit_code, first.document["name"]) == (0, "build-server")
    assert signed_in.profiles["globex", "build-server"] == {"facts": first.document["facts"], "note": "builds"}
    assert first.document["facts"]["os.family"] == "linux"
    assert "build-server" in keiken("facts", "--save", "build-server").stdout
    assert signed_in.profiles["globex", "build-server"]["note"] is None


def test_facts_are_only_kept_by_somebody_who_is_signed_in(folders: Path) -> None:
    assert keiken_json("facts", "--save", "build-server").code == "not_logged_in"
    assert keiken_json("facts", "--note", "x").code == "option_missing"


def every_text(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "login.json"]
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


# --- login


def test_login_saves_the_key_privately_and_pins_what_signs(marketplace: Marketplace, folders: Path) -> None:
    ran = keiken_json("login", "--server", f"{marketplace.url}/", KEIKEN_API_KEY=f" {KEY}\n")
    assert ran.exit_code == 0
    assert ran.document["server"] == marketplace.url
    assert ran.document["organization"] == {"slug": "globex", "name": "Globex"}
    assert ran.document["pinned_keys"] == [marketplace.key.public.key_id]
    assert KEY not in ran.stdout + every_text(folders)
    saved = folders / "config" / "login.json"
    assert json.loads(saved.read_text())["api_key"] == KEY
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600


def test_the_key_is_never_shown(marketplace: Marketplace) -> None:
    shown = keiken("login", "--server", marketplace.url, "--key", KEY)
    assert shown.exit_code == 0
    assert "Signed in to" in shown.stdout
    assert KEY not in shown.stdout + shown.stderr


def test_a_key_is_asked_for_without_being_shown(marketplace: Marketplace) -> None:
    ours, theirs = os.openpty()
    running = process("login", "--server", marketplace.url, stdin=theirs, stdout=theirs, stderr=theirs,
                      start_new_session=True)  # fmt: skip
    said = b""
    while b"API key for" not in said:
        said += os.read(ours, 1_000)
    time.sleep(0.3)
    os.write(ours, KEY.encode() + b"\n")
    while b"Its statements" not in said:
        said += os.read(ours, 1_000)
    assert running.wait(60) == 0
    assert KEY.encode() not in said
    os.close(ours)
    os.close(theirs)


def test_without_a_key_and_a_person_it_says_where_keys_come_from(marketplace: Marketplace) -> None:
    assert keiken_json("login", "--server", marketplace.url).code == "key_missing"


@pytest.mark.parametrize("code", ["key_unknown", "key_expired", "key_revoked"])
def test_a_key_that_does_not_work_is_refused_and_not_saved(marketplace: Marketplace, folders: Path, code: str) -> None:
    marketplace.faults["GET /me"] = [Problem(401, code).answer]
    ran = keiken_json("login", "--server", marketplace.url, KEIKEN_API_KEY=KEY)
    assert (ran.exit_code, ran.code) == (3, code)
    assert not (folders / "config").exists()


def test_a_key_does_not_travel_unencrypted() -> None:
    ran = keiken_json("login", "--server", "http://keiken.example", KEIKEN_API_KEY=KEY)
    assert (ran.exit_code, ran.code) == (3, "connection_unencrypted")


def test_a_marketplace_whose_signing_key_changed_is_refused(signed_in: Marketplace, folders: Path) -> None:
    before = every_text(folders / "config")
    signed_in.offered_keys = [signed_in.offer(SigningKey.generate())]
    ran = keiken_json("login", "--server", signed_in.url, KEIKEN_API_KEY=KEY)
    assert (ran.exit_code, ran.code) == (3, "key_changed")
    assert every_text(folders / "config") == before


def test_a_key_that_the_pinned_one_signed_is_taken_up_when_pulling(signed_in: Marketplace) -> None:
    old, new = signed_in.key, SigningKey.generate()
    signed_in.offered_keys.append(signed_in.offer(new, succession(successor=new.public, signed_with=old)))
    signed_in.attest(f"{REFERENCE}@1.0.0", environment="debian-12-web", key=new)
    signed_in.is_granted = True
    assert keiken_json("pull", REFERENCE).exit_code == 0
    claims = keiken_json("attestations", REFERENCE, "--offline").document["claims"]
    assert sorted(claim["environment"] for claim in claims) == ["debian-12", "debian-12-web"]


# --- publishing and finding


def test_publishing_sends_exactly_the_packed_bytes(signed_in: Marketplace, folders: Path) -> None:
    package = write_package(folders / "p", version="1.1.0")
    ran = keiken_json("publish", package, "--visibility", "organization")
    assert (ran.exit_code, ran.document["created"]) == (0, True)
    assert (ran.document["organization"], ran.document["version"]) == ("globex", "1.1.0")
    (sent,) = signed_in.requests
    assert sent.body == pack(package)
    assert sent.query == {"visibility": ["organization"]}
    assert sent.headers["content-type"] == "application/gzip"
    assert ran.document["digest"] == keiken_json("pack", package).document["digest"]


def test_what_the_review_refuses_is_not_even_sent(signed_in: Marketplace, folders: Path) -> None:
    package = write_package(folders / "p")
    (package / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    ran = keiken_json("publish", package)
    assert (ran.exit_code, ran.code) == (3, "secret_found")
    assert signed_in.requests == []


def test_a_version_that_exists_with_other_bytes_is_refused(signed_in: Marketplace, folders: Path) -> None:
    signed_in.faults["POST /organizations/globex/versions"] = [Problem(409, "version_exists").answer]
    ran = keiken_json("publish", write_package(folders / "p"))
    assert (ran.exit_code, ran.code) == (3, "version_exists")


def test_search_sends_filters_and_order_and_shows_reasons_and_counts(signed_in: Marketplace) -> None:
    options = (
        "--nearly",
        "--sort",
        "quality",
        "--environment",
        "debian-12",
        "--license",
        "free",
        "--license",
        "request",
    )
    ran = keiken("search", "greeting", *options, "--counts")
    assert ran.exit_code == 0
    assert "greeting (title)" in " ".join(ran.stdout.split())
    assert "topic: text 1" in ran.stdout
    (sent,) = [request.json for request in signed_in.requests]
    assert (sent["nearly"], sent["fits"], sent["sort"]) == (True, False, "quality")
    assert sent["filters"] == {"environment": ["debian-12"], "license": ["free", "request"]}
    assert sent["facts"]["os.family"] == "linux"
    document = keiken_json("search", "greeting").document
    assert document["total"] == 1
    assert document["facets"]["topic"] == [{"value": "text", "count": 1}]
    assert document["results"][0]["reasons"] == [{"word": "greeting", "term": "greeting", "where": ["title"]}]


def test_search_says_what_is_close_in_meaning(signed_in: Marketplace) -> None:
    reasons = [{"word": "storage", "term": "", "where": ["meaning"]}]
    listing = {"organization": "acme", "name": "x", "title": "Clean up", "reasons": reasons}
    signed_in.faults["POST /search"] = [Answer(body={"results": [listing], "next": None})]
    assert "storage (close in meaning)" in " ".join(keiken("search", "storage").stdout.split())


def test_facts_are_only_sent_when_they_are_asked_about(signed_in: Marketplace) -> None:
    assert keiken_json("search", "write", "greeting").document["results"][0]["name"] == "write-greeting"
    assert keiken_json("search", "--fits", "--topic", "text").document["results"][0]["fit"]["status"] == "holds"
    plain, fitting = [request.json for request in signed_in.requests]
    assert (plain["words"], plain["facts"], plain["fits"]) == ("write greeting", None, False)
    assert (fitting["facts"]["os.family"], fitting["fits"], fitting["topics"]) == ("linux", True, ["text"])


def test_a_listings_text_cannot_steer_the_terminal(signed_in: Marketplace) -> None:
    listing = {"organization": "acme", "name": "x", "title": "\x1b]0;owned\x07[bold]loud[/bold] \u202eevil"}
    signed_in.faults["POST /search"] = [Answer(body={"results": [listing], "next": None})]
    shown = keiken("search")
    assert "\x1b" not in shown.stdout
    assert "\u202e" not in shown.stdout
    assert "[bold]loud[/bold]" in shown.stdout


def test_an_experience_is_shown_with_what_it_may_touch(signed_in: Marketplace) -> None:
    shown = keiken("show", REFERENCE)
    assert shown.exit_code == 0
    for text in ("acme/write-greeting@1.0.0", "os.family = linux", "cp", "keiken accept acme/write-greeting"):
        assert text in shown.stdout
    document = keiken_json("show", f"{REFERENCE}@1.0.0").document
    assert document["version"]["digest"].startswith("sha256:")


def test_what_does_not_exist_is_told_so(signed_in: Marketplace) -> None:
    for arguments in (["show", "acme/absent"], ["pull", "acme/absent"], ["attestations", "acme/absent"]):
        ran = keiken_json(*arguments)
        assert (ran.exit_code, ran.code) == (3, "not_found")


# --- licenses


def test_the_exact_text_is_shown_and_its_hash_accepted(signed_in: Marketplace) -> None:
    ran = keiken("accept", REFERENCE, "--yes")
    assert ran.exit_code == 0
    assert "Use it well." in ran.stderr
    assert marketplace_parts.TERMS_SHA256 in ran.stderr
    (sent,) = [request for request in signed_in.requests if request.method == "POST"]
    assert sent.json == {"terms_sha256": marketplace_parts.TERMS_SHA256}


def test_accepting_again_gives_the_same_license(signed_in: Marketplace) -> None:
    first = keiken_json("accept", REFERENCE, "--yes").document
    again = keiken_json("accept", REFERENCE, "--yes").document
    assert (first["id"], first["is_new"]) == ("grant-1", True)
    assert (again["id"], again["is_new"]) == ("grant-1", False)
    assert len([request for request in signed_in.requests if request.method == "POST"]) == 1


def test_nothing_is_accepted_where_nobody_can_be_asked(signed_in: Marketplace) -> None:
    ran = keiken_json("accept", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "confirmation_missing")
    assert signed_in.paths("POST") == []


def test_terms_with_another_text_than_their_hash_are_not_accepted(signed_in: Marketplace) -> None:
    body = {"id": "terms-1", "text_sha256": marketplace_parts.TERMS_SHA256, "text": "Other words.\n"}
    signed_in.faults["GET /terms/terms-1"] = [Answer(body=body)]
    ran = keiken_json("accept", REFERENCE, "--yes")
    assert (ran.exit_code, ran.code) == (3, "terms_mismatch")
    assert signed_in.paths("POST") == []


def test_what_is_not_offered_cannot_be_accepted(signed_in: Marketplace) -> None:
    signed_in.is_offered = False
    assert keiken_json("accept", REFERENCE, "--yes").code == "offer_missing"
    signed_in.is_offered = True
    assert keiken_json("accept", REFERENCE, "--yes", "--offer", "another").code == "offer_missing"


# --- pulling and proof


def test_without_a_license_nothing_is_pulled(signed_in: Marketplace, folders: Path) -> None:
    ran = keiken_json("pull", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "license_required")
    assert ran.document["error"]["details"]["offers"][0]["id"] == "offer-1"
    assert not (folders / "cache" / "packages").exists() or not list((folders / "cache" / "packages").rglob("*.gz"))


def test_a_pulled_package_is_proven_without_any_network(signed_in: Marketplace) -> None:
    signed_in.is_granted = True
    pulled = keiken_json("pull", REFERENCE).document
    assert (pulled["version"], pulled["grant"]) == ("1.0.0", "grant-1")
    assert [proof["environment"] for proof in pulled["proven_in"]] == ["debian-12"]
    assert Path(pulled["archive"]).is_file()
    assert Path(pulled["attestations"]).is_file()
    signed_in.requests.clear()
    document = keiken_json("attestations", f"{REFERENCE}@1.0.0", "--offline").document
    assert (document["verified"], document["offline"], document["digest"]) == (True, True, pulled["digest"])
    assert document["proven_in"] == ["debian-12"]
    assert signed_in.requests == []


def test_one_flipped_byte_is_found_offline(signed_in: Marketplace) -> None:
    signed_in.is_granted = True
    pulled = keiken_json("pull", REFERENCE).document
    for path in (Path(pulled["archive"]), Path(pulled["attestations"])):
        whole = path.read_bytes()
        for position in (0, 40, len(whole) // 2, len(whole) - 1):
            path.write_bytes(flipped(whole, position))
            for arguments in (["attestations", REFERENCE, "--offline"], ["replay", REFERENCE]):
                ran = keiken_json(*arguments)
                assert ran.exit_code == 3
                assert ran.code in DAMAGED
        path.write_bytes(whole)
    assert keiken_json("attestations", REFERENCE, "--offline").exit_code == 0


def test_two_pulls_at_once_agree(signed_in: Marketplace, folders: Path) -> None:
    signed_in.is_granted = True
    running = [process("pull", REFERENCE, "--fresh", "--json") for _ in range(3)]
    documents = [json.loads(one.communicate(timeout=60)[0]) for one in running]
    assert [one.returncode for one in running] == [0, 0, 0]
    assert len({document["digest"] for document in documents}) == 1
    assert keiken_json("attestations", REFERENCE, "--offline").exit_code == 0
    assert not [path for path in folders.rglob(".*") if path.name.startswith((".package", ".attestations"))]


def test_what_a_killed_download_left_is_swept_and_a_running_one_is_not(signed_in: Marketplace) -> None:
    signed_in.is_granted = True
    archive = Path(keiken_json("pull", REFERENCE).document["archive"])
    old, young = archive.with_name(f".{archive.name}.old"), archive.with_name(f".{archive.name}.young")
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert keiken_json("pull", REFERENCE, "--fresh").exit_code == 0
    assert (old.exists(), young.exists()) == (False, True)


def test_an_envelope_swapped_for_one_of_another_package_is_found(signed_in: Marketplace) -> None:
    signed_in.is_granted = True
    pulled = keiken_json("pull", REFERENCE).document
    path = Path(pulled["attestations"])
    document = json.loads(path.read_text())
    signed_in.versions["acme", "other", "1.0.0"] = b"other bytes"
    document["attestations"][0]["envelope"] = signed_in.attest("acme/other@1.0.0")
    path.write_text(json.dumps(document))
    ran = keiken_json("attestations", REFERENCE, "--offline")
    assert (ran.exit_code, ran.code) == (3, "digest_mismatch")


def test_online_the_statements_are_fetched_and_verified(signed_in: Marketplace) -> None:
    assert keiken_json("attestations", REFERENCE).document["verified"] is True
    signed_in.attest(f"{REFERENCE}@1.0.0", key=SigningKey.generate())
    ran = keiken_json("attestations", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "signature_invalid")


def test_a_failing_verdict_is_signed_and_still_no_proof(signed_in: Marketplace) -> None:
    signed_in.attest(f"{REFERENCE}@1.0.0", "failed")
    ran = keiken_json("attestations", REFERENCE)
    assert (ran.exit_code, ran.code) == (3, "no_passing_attestation")
    assert {claim["verdict"] for claim in ran.document["error"]["details"]["claims"]} == {"passed", "failed"}


def test_what_was_never_pulled_cannot_be_verified_offline(signed_in: Marketplace) -> None:
    assert keiken_json("attestations", REFERENCE, "--offline").code == "not_pulled"


def test_a_marketplace_that_is_away_is_said_and_nothing_changed(signed_in: Marketplace, folders: Path) -> None:
    login = folders / "config" / "login.json"
    document = json.loads(login.read_text())
    login.write_text(json.dumps({**document, "server": "http://127.0.0.1:9"}))
    ran = keiken_json("search", "x")
    assert (ran.exit_code, ran.code) == (1, "server_unreachable")


@pytest.mark.parametrize(
    "arguments",
    [["search"], ["show", "a/b"], ["pull", "a/b"], ["accept", "a/b"], ["rate", "a/b", "--stars", "5"],
     ["attestations", "a/b"], ["replay", "a/b"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_without_a_login_it_says_how_to_get_one(arguments: list[str]) -> None:
    ran = keiken_json(*arguments)
    assert (ran.exit_code, ran.code) == (1, "not_logged_in")
    assert "keiken login" in ran.document["error"]["advice"]


@pytest.mark.parametrize("command", ["show", "pull", "accept", "attestations"])
def test_what_names_no_experience_is_a_wrong_call(signed_in: Marketplace, command: str) -> None:
    for reference in ("nonsense", "acme/write-greeting@", "../etc"):
        ran = keiken_json(command, reference)
        assert (ran.exit_code, ran.code) == (1, "reference_invalid")
    assert signed_in.requests == []
