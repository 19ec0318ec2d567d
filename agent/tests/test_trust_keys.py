"""Keys are written once, for their owner alone, and known by the hash of their public part."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from keiken.errors import TrustError
from keiken.trust import PublicKey, SigningKey


def test_a_saved_key_is_the_same_key_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "key.pem")
    assert SigningKey.load(tmp_path / "key.pem").public == key.public
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "key.pem")
    before = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(FileExistsError):
        SigningKey.generate().save(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").read_bytes() == before


def test_the_key_id_is_the_hash_of_the_raw_public_key() -> None:
    public = SigningKey.generate().public
    assert len(public.raw) == 32
    assert public.key_id == hashlib.sha256(public.raw).hexdigest()
    assert PublicKey.from_base64(public.as_base64()) == public


def pem(key: Ed25519PrivateKey, password: bytes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )


def rsa_pem() -> bytes:
    return generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize("content", [b"", b"nothing", rsa_pem(), pem(Ed25519PrivateKey.generate(), b"password")])
def test_a_file_without_a_usable_key_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(TrustError, match=r"key\.pem holds no Ed25519 private key") as caught:
        SigningKey.load(path)
    assert caught.value.code == "key_malformed"


@pytest.mark.parametrize("text", ["", "AAAA", "é", "!" * 44, "A" * 43 + "=" + "\n" * 3, "A" * 88])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(TrustError) as caught:
        PublicKey.from_base64(text)
    assert caught.value.code == "key_malformed"


def test_a_public_key_that_is_no_point_verifies_nothing() -> None:
    assert not PublicKey(b"\xff" * 32).verifies(b"\0" * 64, b"message")
    assert not SigningKey.generate().public.verifies(b"short", b"message")


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    code = (
        "import sys; from pathlib import Path; from keiken.trust import SigningKey;"
        "sys.stdin.readline(); print(SigningKey.load_or_make(Path(sys.argv[1])).public.key_id)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    found = {process.communicate("go\n", timeout=60)[0].strip() for process in started}
    assert found == {SigningKey.load(path).public.key_id}
    assert [item.name for item in path.parent.iterdir()] == ["signing.pem"]
