"""``keiken attestations``: the log may only grow, keys may go, and a file alone is enough."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import marketplaces
import pytest
from client_packages import flipped, write_package
from commands import Ran, keiken_json
from marketplaces import KEY, Marketplace

from keiken.package import pack
from keiken.trust import SigningKey, succession
from keiken.trust.envelopes import add_signature
from keiken.trust.pins import revocation

REFERENCE = "acme/write-greeting"
VERSION = f"{REFERENCE}@1.0.0"


@pytest.fixture
def market(folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Marketplace]:
    """A proven version on a marketplace that this settings folder is signed in to."""
    monkeypatch.setenv("KEIKEN_API_KEY", KEY)
    with marketplaces.running() as marketplace:
        package = write_package(folders / "package" / "write-greeting")
        marketplace.publish(pack(package), folders / "unpacked")
        marketplace.attest(VERSION)
        assert keiken_json("login", "--server", marketplace.url).exit_code == 0
        yield marketplace


def checked(*arguments: str) -> Ran:
    return keiken_json("attestations", VERSION, *arguments)


def refused(*arguments: str) -> str:
    ran = checked(*arguments)
    assert ran.exit_code == 3
    return str(ran.code)


def exported(folders: Path) -> Path:
    path = folders / "bundle.intoto.jsonl"
    assert checked("--export", str(path)).exit_code == 0
    return path


def test_every_statement_is_found_in_the_log(market: Marketplace) -> None:
    market.attest(VERSION, environment="debian-12-web")
    document = checked().document
    assert [claim["log_index"] for claim in document["claims"]] == [0, 2]
    assert document["log"] == {"origin": "keiken.test/log", "size": 4}
    assert (document["summary"]["result"], document["summary"]["log_index"]) == ("PASSED", 3)


def test_a_statement_that_is_not_logged_is_refused(market: Marketplace) -> None:
    market.log = marketplaces.Log()
    market.log.append("attestation", {"payload": "", "payloadType": "", "signatures": []})
    market.log.proof = lambda _envelope: None  # type: ignore[method-assign,assignment,return-value]
    assert refused() == "not_in_log"


# --- the memory of the log


def test_a_log_that_grows_is_accepted_and_swapped_entries_are_not(market: Marketplace) -> None:
    assert checked().exit_code == 0
    market.attest(VERSION, environment="debian-12-web")
    assert checked().exit_code == 0
    market.log.leaves[0], market.log.leaves[2] = market.log.leaves[2], market.log.leaves[0]
    assert refused() == "not_in_log"


def test_a_rewritten_past_is_noticed_although_every_proof_holds(market: Marketplace) -> None:
    market.log = marketplaces.Log()
    market.log.append("attestation", {"payload": "a", "payloadType": "b", "signatures": []})
    market.attestations.clear()
    market.attest(VERSION)
    assert checked().exit_code == 0
    market.log.rewrite(0)
    assert refused() == "log_forked"
    market.attest(VERSION, environment="debian-12-web")
    assert refused() == "log_forked"


def test_an_old_checkpoint_that_is_replayed_is_noticed(market: Marketplace, folders: Path) -> None:
    old = json.dumps(market.statements(Any, "acme", "write-greeting", "1.0.0").body)  # type: ignore[arg-type]
    note = market.log.checkpoint(market.key)
    market.attest(VERSION, environment="debian-12-web")
    assert checked().exit_code == 0
    before = (folders / "config" / "log.json").read_bytes()
    path = f"GET /experiences/{REFERENCE}/versions/1.0.0/attestations"
    market.faults[path] = [marketplaces.Answer(body=json.loads(old))]
    assert checked().exit_code == 0, "the log as it is now shows that this was only an older answer"
    market.faults[path] = [marketplaces.Answer(body=json.loads(old))]
    market.faults["GET /log/checkpoint"] = [marketplaces.Answer(body={"checkpoint": note})]
    assert refused() == "log_rolled_back"
    assert (folders / "config" / "log.json").read_bytes() == before


def test_a_damaged_memory_is_named_and_kept(market: Marketplace, folders: Path) -> None:
    assert checked().exit_code == 0
    path = folders / "config" / "log.json"
    path.write_text('{"x": {"origin": "a", "size": "many", "root": ""}}')
    assert refused() == "log_memory_damaged"
    assert "many" in path.read_text()


@pytest.mark.parametrize("part", [0, 1, 2, -2])
def test_a_changed_checkpoint_is_refused(market: Marketplace, part: int) -> None:
    body = market.statements(Any, "acme", "write-greeting", "1.0.0").body  # type: ignore[arg-type]
    document = dict(json.loads(json.dumps(body)))
    lines = document["checkpoint"].split("\n")
    lines[part] = lines[part][:-3] + ("AB=" if part in (2, -2) else "999")
    document["checkpoint"] = "\n".join(lines)
    market.faults[f"GET /experiences/{REFERENCE}/versions/1.0.0/attestations"] = [marketplaces.Answer(body=document)]
    assert refused() in {"checkpoint_signature_invalid", "checkpoint_malformed"}


# --- times


def test_an_expired_statement_is_refused_with_a_code_of_its_own(market: Marketplace) -> None:
    market.attestations.clear()
    market.attest(VERSION, at=datetime.now(UTC) - timedelta(days=20), valid_days=10)
    assert refused() == "attestation_expired"
    market.attest(VERSION, at=datetime.now(UTC) - timedelta(days=5), valid_days=10)
    assert checked().document["claims"][-1]["is_expired"] is False
    assert refused("--max-age", "3") == "attestation_expired"
    assert checked("--max-age", "6").exit_code == 0


def test_an_expired_proof_replays_nothing_unless_one_says_so(market: Marketplace) -> None:
    market.is_granted = True
    market.attestations.clear()
    market.attest(VERSION, at=datetime.now(UTC) - timedelta(days=20), valid_days=10)
    assert keiken_json("pull", VERSION).document["proven_in"] == []
    ran = keiken_json("replay", VERSION)
    assert (ran.exit_code, ran.code) == (3, "attestation_expired")
    assert "keiken pull" in ran.document["error"]["advice"]


# --- keys


def rotated(market: Marketplace, valid_from: datetime | None = None) -> tuple[SigningKey, SigningKey]:
    """The old and the new key; the marketplace signs with the new one from now on."""
    old, market.key = market.key, SigningKey.generate()
    signed_by = succession(successor=market.key.public, signed_with=old, valid_from=valid_from)
    market.offered_keys.append(market.offer(market.key, signed_by))
    return old, market.key


def revoked(market: Marketplace, old: SigningKey, log_size: int) -> None:
    market.offered_keys[0]["revocation"] = revocation(
        revoked=old.public, signed_with=market.key, log_size=log_size, reason="stolen"
    )


def test_what_an_old_key_signed_while_it_was_valid_stays_valid(market: Marketplace) -> None:
    old, _new = rotated(market, datetime.now(UTC))
    assert checked().exit_code == 0
    late = datetime.now(UTC) + timedelta(hours=1)
    market.attest(VERSION, environment="debian-12-web", key=old, at=late)
    assert refused() == "key_retired"


def test_a_revoked_key_counts_for_what_was_logged_before_and_nothing_else(market: Marketplace) -> None:
    old, _new = rotated(market)
    revoked(market, old, len(market.log.leaves))
    assert checked().exit_code == 0
    market.attest(VERSION, environment="debian-12-web", key=old)
    assert refused() == "key_revoked"
    market.offered_keys[0].pop("revocation")
    assert refused() == "key_revoked", "a revocation is not taken back"


def test_an_old_key_neither_revokes_its_successor_nor_starts_a_second_line(market: Marketplace) -> None:
    old, new = rotated(market)
    assert checked().exit_code == 0
    thief = SigningKey.generate()
    market.offered_keys.append(market.offer(thief, succession(successor=thief.public, signed_with=old)))
    market.offered_keys[1]["revocation"] = revocation(revoked=new.public, signed_with=old, log_size=0, reason="a lie")
    assert checked().exit_code == 0
    market.attest(VERSION, environment="debian-12-web", key=thief)
    assert refused() == "signature_invalid"


def test_so_many_of_the_named_keys_must_have_signed(market: Marketplace) -> None:
    one, two, three = (SigningKey.generate() for _ in range(3))
    envelope = market.attestations["acme", "write-greeting", "1.0.0"][0]
    signed = add_signature(add_signature(envelope, one), two)
    market.attestations["acme", "write-greeting", "1.0.0"] = []
    market.keep(VERSION, signed)
    keys = [part for key in (one, two, three) for part in ("--key", key.public.as_base64())]
    document = checked("--require", "2", *keys).document
    assert document["signed_by"] == [one.public.key_id, two.public.key_id]
    assert refused("--require", "3", *keys) == "too_few_signatures"
    twice = ["--key", one.public.as_base64()] * 2
    assert checked("--require", "2", *twice).code == "keys_too_few"
    assert refused("--key", three.public.as_base64()) == "too_few_signatures"


def test_an_independent_verifier_proves_it_here_and_signs_what_it_saw(market: Marketplace) -> None:
    market.is_granted = True
    ran = keiken_json("vouch", VERSION)
    assert ran.exit_code == 0, ran.document
    (statement,) = ran.document["statements"]
    assert (statement["environment"], statement["verdict"]) == ("local", "passed")
    theirs = ["--key", ran.document["key"]]
    ours = ["--key", market.key.public.as_base64()]
    assert len(checked("--require", "2", *theirs, *ours).document["signed_by"]) == 2
    stranger = ["--key", SigningKey.generate().public.as_base64()]
    assert refused("--require", "3", *theirs, *ours, *stranger) == "too_few_signatures"
    market.independent[0]["envelope"]["signatures"][0]["sig"] = "AAAA" * 21 + "AAA="
    market.log.digests[-1] = marketplaces.envelope_digest(market.independent[0]["envelope"])
    assert refused("--require", "2", *theirs, *ours) == "signature_invalid"


def test_nobody_vouches_in_an_environment_it_is_not_for(market: Marketplace) -> None:
    market.is_granted = True
    ran = keiken_json("vouch", VERSION, "--environment", "debian-12")
    assert (ran.exit_code, ran.code) == (5, "environment_not_named")
    assert market.independent == []


# --- files


def test_a_bundle_is_enough_without_a_network(market: Marketplace, folders: Path) -> None:
    path = exported(folders)
    market.requests.clear()
    document = checked("--bundle", str(path)).document
    assert (document["verified"], document["offline"], document["proven_in"]) == (True, True, ["debian-12"])
    assert market.requests == []
    assert keiken_json("attestations", "acme/other@1.0.0", "--bundle", path).code == "subject_mismatch"


def test_the_statements_of_another_package_do_not_pass_for_this_one(market: Marketplace, folders: Path) -> None:
    other = write_package(folders / "other" / "write-other", name="write-other")
    market.publish(pack(other), folders / "unpacked-other")
    market.attest("acme/write-other@1.0.0")
    path = exported(folders)
    lines = path.read_text().splitlines()
    (folders / "x.jsonl").write_text("")
    assert keiken_json("attestations", "acme/write-other@1.0.0", "--export", folders / "x.jsonl").exit_code == 0
    foreign = (folders / "x.jsonl").read_text().splitlines()
    path.write_text("\n".join([lines[0], foreign[1]]) + "\n")
    assert refused("--bundle", str(path)) in {"digest_mismatch", "subject_mismatch", "bundle_malformed"}


def test_a_bundle_that_was_cut_off_or_changed_is_refused(market: Marketplace, folders: Path) -> None:
    market.attest(VERSION, environment="debian-12-web")
    path = exported(folders)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 3
    path.write_bytes(b"".join(lines[:2]))
    assert refused("--bundle", str(path)) == "statements_incomplete"
    for cut in (whole[:-1], whole[: len(whole) // 2], b"", b"".join(lines[1:]), lines[0], b"{}\n" * 3, b"\xff\n"):
        path.write_bytes(cut)
        assert refused("--bundle", str(path)) == "bundle_malformed"
    swapped = [json.loads(line) for line in lines]
    swapped[1]["log"], swapped[2]["log"] = swapped[2]["log"], swapped[1]["log"]
    path.write_text("".join(json.dumps(line) + "\n" for line in swapped))
    assert refused("--bundle", str(path)) == "not_in_log"


def test_no_flipped_byte_of_a_bundle_changes_what_it_says(market: Marketplace, folders: Path) -> None:
    path = exported(folders)
    whole = path.read_bytes()
    before = checked("--bundle", str(path)).document
    for position in range(7, len(whole), len(whole) // 24):
        path.write_bytes(flipped(whole, position))
        ran = checked("--bundle", str(path))
        assert ran.exit_code == 3 or ran.document == before, position


def test_a_foreign_key_signs_nothing_here(market: Marketplace, folders: Path) -> None:
    path = exported(folders)
    stranger = SigningKey.generate()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line.update(marketplaces.sign(json.loads(base64.b64decode(line["payload"])), stranger))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert refused("--bundle", str(path)) == "signature_invalid"
