"""A statement counts only when a trusted key signed exactly these bytes."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from keiken.errors import TrustError
from keiken.trust import PublicKey, SigningKey, sign, verify
from keiken.trust.envelopes import SIGNATURES_LIMIT

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
STATEMENT = {"_type": "https://in-toto.io/Statement/v1", "subject": [], "title": "証明"}
SIGNED = sign(STATEMENT, KEY)


def refusal(envelope: Any, *keys: PublicKey) -> str:
    with pytest.raises(TrustError) as caught:
        verify(envelope, keys or (KEY.public,))
    assert caught.value.exit_code == 3
    assert caught.value.advice
    return caught.value.code


def test_what_was_signed_comes_back() -> None:
    assert verify(SIGNED, [KEY.public]) == STATEMENT
    assert verify(json.loads(json.dumps(SIGNED)), [OTHER.public, KEY.public]) == STATEMENT
    assert SIGNED["payloadType"] == "application/vnd.in-toto+json"


def test_the_signature_is_over_the_pre_authentication_encoding_of_dsse() -> None:
    payload = base64.b64decode(SIGNED["payload"])
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    assert KEY.public.verifies(base64.b64decode(SIGNED["signatures"][0]["sig"]), message)
    assert Envelope.from_dict(copy.deepcopy(SIGNED)).pae() == message


def test_another_key_is_refused() -> None:
    assert refusal(SIGNED, OTHER.public) == "signature_invalid"


def test_without_any_trusted_key_nothing_is_verified() -> None:
    with pytest.raises(TrustError) as caught:
        verify(SIGNED, [])
    assert caught.value.code == "key_unknown"


def test_the_key_id_decides_nothing() -> None:
    renamed = copy.deepcopy(SIGNED)
    renamed["signatures"][0]["keyid"] = OTHER.public.key_id
    assert verify(renamed, [KEY.public]) == STATEMENT
    assert refusal(renamed, OTHER.public) == "signature_invalid"


def test_one_good_signature_among_several_suffices() -> None:
    both = copy.deepcopy(SIGNED)
    both["signatures"] = sign(STATEMENT, OTHER)["signatures"] + both["signatures"]
    assert verify(both, [KEY.public]) == STATEMENT


@given(st.data())
def test_every_flipped_bit_of_payload_and_signature_is_found(data: st.DataObject) -> None:
    envelope = copy.deepcopy(SIGNED)
    holder, name = data.draw(st.sampled_from([(envelope, "payload"), (envelope["signatures"][0], "sig")]))
    text = bytearray(holder[name].encode())
    text[data.draw(st.integers(0, len(text) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    holder[name] = text.decode()
    assert refusal(envelope) in {"signature_invalid", "envelope_malformed"}


def test_the_spare_bits_of_base64_cannot_be_changed_unnoticed() -> None:
    envelope = copy.deepcopy(SIGNED)
    sig = envelope["signatures"][0]["sig"]
    assert sig.endswith("==")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    altered = sig[:-3] + digits[digits.index(sig[-3]) ^ 1] + "=="
    assert base64.b64decode(altered) == base64.b64decode(sig)
    envelope["signatures"][0]["sig"] = altered
    assert refusal(envelope) == "envelope_malformed"


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        [],
        "text",
        7,
        {},
        {**SIGNED, "payloadType": "application/json"},
        {**SIGNED, "payload": "!!"},
        {**SIGNED, "payload": None},
        {**SIGNED, "payload": "é"},
        {**SIGNED, "signatures": []},
        {**SIGNED, "signatures": None},
        {**SIGNED, "signatures": [None]},
        {**SIGNED, "signatures": {"sig": "x"}},
        {**SIGNED, "signatures": [{"sig": 7}]},
        {**SIGNED, "signatures": SIGNED["signatures"] * (SIGNATURES_LIMIT + 1)},
        {**SIGNED, "payload": base64.b64encode(b"x" * ((1 << 20) + 1)).decode()},
    ],
)
def test_what_is_no_envelope_is_malformed(envelope: Any) -> None:
    assert refusal(envelope) == "envelope_malformed"


@pytest.mark.parametrize("payload", [b"[1]", b"nothing", b"\xff", b"[" * 100_000])
def test_a_signed_payload_that_is_no_object_is_malformed(payload: bytes) -> None:
    envelope = Envelope(payload, "application/vnd.in-toto+json", {})
    signature = base64.b64encode(KEY.sign(envelope.pae())).decode()
    document = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": "", "sig": signature}],
    }
    assert refusal(document) == "envelope_malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


@given(JSON)
def test_no_json_document_makes_it_fall_over(document: Any) -> None:
    assert refusal(document) == "envelope_malformed"


@given(st.dictionaries(st.text(), JSON))
def test_any_statement_survives_signing(statement: dict[str, Any]) -> None:
    assert verify(sign(statement, KEY), [KEY.public]) == statement
