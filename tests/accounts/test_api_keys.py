"""The form of keys: recognizable without asking anybody."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.api_keys import ALPHABET, checksum, digest, new_key, prefix_of

KNOWN = "kk_0123456789_" + "A" * 32


def test_a_new_key_has_the_form_and_a_checksum_that_holds() -> None:
    made = new_key()
    assert re.fullmatch(r"kk_[0-9a-z]{10}_[0-9A-Za-z]{38}", made.text)
    assert made.text == made.text[:-6] + checksum(made.text[:-6])
    assert made.text.startswith(f"kk_{made.prefix}_")
    assert made.sha256 == hashlib.sha256(made.text.encode()).hexdigest() == digest(made.text)
    assert prefix_of(made.text) == made.prefix
    assert made.sha256 not in made.text


def test_the_checksum_is_crc32_in_base_62() -> None:
    import zlib

    number = zlib.crc32(KNOWN.encode())
    written = checksum(KNOWN)
    assert len(written) == 6
    assert sum(ALPHABET.index(letter) * 62**place for place, letter in enumerate(reversed(written))) == number


def test_no_two_keys_are_alike() -> None:
    made = [new_key() for _ in range(500)]
    assert len({key.text for key in made}) == len({key.prefix for key in made}) == 500


@given(st.data())
def test_one_wrong_character_is_always_noticed(data: st.DataObject) -> None:
    text = KNOWN + checksum(KNOWN)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "_-").filter(lambda letter: letter != text[place]))
    assert prefix_of(text[:place] + other + text[place + 1 :]) is None


@given(st.integers(14, 50))
def test_two_neighbors_swapped_are_noticed(place: int) -> None:
    text = new_key().text
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert (prefix_of(swapped) is None) == (swapped != text)


@given(st.text())
def test_anything_else_is_no_key(text: str) -> None:
    assert prefix_of(text) is None
    assert prefix_of("kk_" + text) is None


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text + "\n", lambda text: " " + text, lambda text: text[:-1]]
)
def test_what_is_only_nearly_a_key_is_none(change: object) -> None:
    assert callable(change)
    assert prefix_of(change(KNOWN + checksum(KNOWN))) is None
