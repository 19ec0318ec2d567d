"""The first login trusts a marketplace's key; afterwards only what that key vouches for."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from keiken.errors import TrustError
from keiken.trust import Pins, PublicKey, SigningKey, sign, succession

SERVER = "https://keiken.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "pins.json"


def offer(key: SigningKey, signed_with: SigningKey | None = None) -> dict[str, Any]:
    signed_by = succession(successor=key.public, signed_with=signed_with) if signed_with else None
    return {"key_id": key.public.key_id, "public_key": key.public.as_base64(), "signed_by": signed_by}


def test_the_first_key_is_pinned_for_its_owner_alone(path: Path) -> None:
    key = SigningKey.generate()
    assert Pins(path).accept(SERVER, [offer(key)]) == [key.public]
    assert Pins(path).keys(SERVER) == [key.public]
    assert Pins(path).keys("https://other.example") == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_changed_key_is_refused_and_the_pin_stays(path: Path) -> None:
    key = SigningKey.generate()
    Pins(path).accept(SERVER, [offer(key)])
    before = path.read_bytes()
    with pytest.raises(TrustError, match="the pinned one does not vouch for") as caught:
        Pins(path).accept(SERVER, [offer(SigningKey.generate())])
    assert caught.value.code == "key_changed"
    assert str(path) in caught.value.advice
    assert path.read_bytes() == before


def test_a_successor_that_the_pinned_key_signed_is_added(path: Path) -> None:
    old, new = SigningKey.generate(), SigningKey.generate()
    Pins(path).accept(SERVER, [offer(old)])
    assert Pins(path).accept(SERVER, [offer(old), offer(new, old)]) == [old.public, new.public]
    assert Pins(path).accept(SERVER, [offer(new, old)]) == [old.public, new.public]


def test_an_old_client_follows_a_chain_of_rotations_in_any_order(path: Path) -> None:
    keys = [SigningKey.generate() for _ in range(4)]
    offers = [offer(keys[n], keys[n - 1]) for n in (1, 2, 3)]
    for number, order in enumerate(permutations(offers)):
        server = f"https://{number}.example"
        Pins(path).accept(server, [offer(keys[0])])
        assert Pins(path).accept(server, order) == [key.public for key in keys]


def test_a_key_beside_the_pinned_one_is_not_slipped_in(path: Path) -> None:
    old, new, stranger = (SigningKey.generate() for _ in range(3))
    Pins(path).accept(SERVER, [offer(old)])
    self_signed = offer(stranger, stranger)
    borrowed = {**offer(stranger), "signed_by": succession(successor=new.public, signed_with=old)}
    other_kind = {
        **offer(stranger),
        "signed_by": sign({"predicateType": "x", "predicate": {"publicKey": stranger.public.as_base64()}}, old),
    }
    no_predicate = {
        **offer(stranger),
        "signed_by": sign({"predicateType": "https://keiken.example/attestation/key-succession/v1"}, old),
    }
    for item in (offer(stranger), self_signed, borrowed, other_kind, no_predicate, {**offer(stranger), "signed_by": 7}):
        assert Pins(path).accept(SERVER, [offer(old), item]) == [old.public]


@pytest.mark.parametrize("item", [None, "text", {}, {"public_key": None}, {"public_key": "AAAA"}, ["x"]])
def test_a_server_that_offers_no_key_is_refused_and_nothing_is_pinned(path: Path, item: Any) -> None:
    with pytest.raises(TrustError) as caught:
        Pins(path).accept(SERVER, [item])
    assert caught.value.code == "key_malformed"
    assert not path.exists()


def test_a_server_without_keys_pins_nothing(path: Path) -> None:
    assert Pins(path).accept(SERVER, []) == []
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "{", "[1]", "[]", '{"https://keiken.example": "key"}', "\0"])
def test_a_damaged_file_is_named_and_not_replaced(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(TrustError, match=r"pins\.json, is damaged") as caught:
        Pins(path).accept(SERVER, [offer(SigningKey.generate())])
    assert caught.value.code == "pins_damaged"
    assert path.read_text() == content


def test_logins_at_once_lose_no_pin(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from keiken.trust import Pins;"
        "key = sys.stdin.readline().strip();"
        "pins = Pins(Path(sys.argv[1]));"
        "[pins.accept(f'https://{sys.argv[2]}-{n}.example', [{'public_key': key}]) for n in range(8)]"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], stdin=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    key = SigningKey.generate().public
    for process in started:
        process.communicate(key.as_base64() + "\n", timeout=60)
        assert process.returncode == 0
    document = json.loads(path.read_text())
    assert sorted(document) == sorted(f"https://{n}-{m}.example" for n in range(3) for m in range(8))
    assert [PublicKey.from_base64(text) for text in document["https://0-0.example"]] == [key]
    assert sorted(item.name for item in path.parent.iterdir()) == [".pins.json.lock", "pins.json"]
