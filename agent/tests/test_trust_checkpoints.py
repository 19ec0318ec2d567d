"""Signed notes and checkpoints as C2SP defines them, and everything that only looks like one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keiken.errors import TrustError
from keiken.trust import PublicKey, SigningKey
from keiken.trust.checkpoints import Checkpoint, note_key_id, read_checkpoint, sign_checkpoint

KEY = SigningKey.generate()
CHECKPOINT = Checkpoint("keiken.example/log", 7, bytes(range(32)))

# The example of Go's package golang.org/x/mod/sumdb/note, which the specification grew from.
NEUMANN = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
NEUMANN_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_SIGNATURE = base64.b64decode(
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def refusal(note: object, key: SigningKey = KEY) -> str:
    with pytest.raises(TrustError) as caught:
        read_checkpoint(note, [key.public])
    return caught.value.code


def test_the_known_note_has_this_key_id_and_verifies() -> None:
    key = PublicKey(NEUMANN[1:])
    assert note_key_id("PeterNeumann", key).hex() == "c74f20a3"
    assert NEUMANN_SIGNATURE[:4].hex() == "c74f20a3"
    assert key.verifies(NEUMANN_SIGNATURE[4:], NEUMANN_TEXT.encode())


def test_what_was_signed_is_read_again() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    assert note.startswith(
        "keiken.example/log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— keiken.example/log "
    )
    assert read_checkpoint(note, [SigningKey.generate().public, KEY.public]) == CHECKPOINT


def test_other_signatures_and_lines_that_others_add_do_no_harm() -> None:
    witness = sign_checkpoint(CHECKPOINT, SigningKey.generate()).rpartition("\n\n")[2]
    assert read_checkpoint(sign_checkpoint(CHECKPOINT, KEY) + witness, [KEY.public]) == CHECKPOINT


def test_a_foreign_key_or_no_key_is_refused() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    assert refusal(note, SigningKey.generate()) == "checkpoint_signature_invalid"
    with pytest.raises(TrustError, match="not signed by a key"):
        read_checkpoint(note, [])


def test_a_signature_under_another_name_does_not_count() -> None:
    note = sign_checkpoint(CHECKPOINT, KEY)
    assert refusal(note.replace("— keiken.example/log", "— other.example/log")) == "checkpoint_signature_invalid"


@pytest.mark.parametrize(
    "note",
    [
        None,
        7,
        "",
        "\n\n",
        "x" * 20_000,
        "keiken.example/log\n7\n\n— k AAAA\n",
        "keiken.example/log\n-7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— k AAAA\n",
        "keiken.example/log\n07\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— k AAAA\n",
        "keiken.example/log\n7\nAAEC\n\n— k AAAA\n",
        "\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— k AAAA\n",
        "keiken.example/log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nno signature\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(note: object) -> None:
    assert refusal(note) == "checkpoint_malformed"


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb"])
def test_an_origin_that_names_nothing_is_never_signed(origin: str) -> None:
    with pytest.raises(ValueError, match="no name of a log"):
        sign_checkpoint(Checkpoint(origin, 0, bytes(32)), KEY)


@settings(deadline=None)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 6))
def test_no_flipped_bit_says_anything_else(position: int, bit: int) -> None:
    note = bytearray(sign_checkpoint(CHECKPOINT, KEY).encode())
    note[position % len(note)] ^= 1 << bit
    text = bytes(note).decode("utf-8", "replace")
    assert refusal(text) in {"checkpoint_malformed", "checkpoint_signature_invalid"}


@settings(deadline=None)
@given(st.text(max_size=300))
def test_no_text_is_taken_for_a_checkpoint_or_breaks_anything(text: str) -> None:
    assert refusal(text) in {"checkpoint_malformed", "checkpoint_signature_invalid"}
