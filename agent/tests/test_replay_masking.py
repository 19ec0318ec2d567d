"""Secrets are masked in every form that programs commonly turn them into."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import subprocess
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiken.replay.masking import Mask

SECRET = "s3cr3t-Tøken/with+odd 'chars' & \"quotes\"\\n"
PLAIN = "hunter2-correct-horse"
MASKED = "[secret token]"

Form = Callable[[str], str]
FORMS: dict[str, Form] = {
    "itself": lambda s: s,
    "reversed": lambda s: s[::-1],
    "capitals": str.upper,
    "small letters": str.lower,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 after one byte": lambda s: base64.b64encode(b"x" + s.encode() + b"yz").decode(),
    "base64 after two bytes": lambda s: base64.b64encode(b"xx" + s.encode() + b"y").decode(),
    "urlsafe base64": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
    "base64 in rows": lambda s: textwrap.fill(base64.b64encode(s.encode()).decode(), 16),
    "base32": lambda s: base64.b32encode(s.encode()).decode(),
    "base32 after three bytes": lambda s: base64.b32encode(b"abc" + s.encode()).decode(),
    "hexadecimal": lambda s: s.encode().hex(),
    "hexadecimal in capitals": lambda s: s.encode().hex().upper(),
    "hexadecimal with spaces": lambda s: s.encode().hex(" "),
    "hexadecimal with colons": lambda s: s.encode().hex(":"),
    "hexadecimal escapes": lambda s: "".join(f"\\x{byte:02x}" for byte in s.encode()),
    "every byte for a URL": lambda s: "".join(f"%{byte:02X}" for byte in s.encode()),
    "for a URL": quote,
    "for a URL, strictly": lambda s: quote(s, safe=""),
    "for a form": quote_plus,
    "for a shell": shlex.quote,
    "for JSON": lambda s: json.dumps(s),
    "for JSON, readable": lambda s: json.dumps(s, ensure_ascii=False),
    "for Python": repr,
    "for HTML": html.escape,
    "one character a line": lambda s: "\n".join(s),
    "spread out": lambda s: "   ".join(s),
    "folded": lambda s: "\r\n".join(s[n : n + 5] for n in range(0, len(s), 5)),
}


@pytest.mark.parametrize("secret", [PLAIN, SECRET], ids=["plain", "odd"])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_secret_is_masked(form: str, secret: str) -> None:
    written = FORMS[form](secret)
    masked = Mask({"token": secret}).text(f"before {written} after")
    assert MASKED in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    left = masked.replace(MASKED, "").removeprefix("before ").removesuffix(" after").rstrip("=")
    assert len(left) <= 6, left  # at most quotes around it, or what surrounded it in its group of bytes


@pytest.mark.parametrize(
    "command", [["base64", "-w", "8"], ["od", "-An", "-tx1", "-v"], ["od", "-An", "-c"], ["rev"], ["base32"]]
)
def test_what_real_programs_make_of_a_secret_is_masked(command: list[str]) -> None:
    done = subprocess.run(command, input=PLAIN.encode(), capture_output=True, check=True)
    masked = Mask({"token": PLAIN}).text(done.stdout.decode())
    assert MASKED in masked
    assert len(masked.replace(MASKED, "").strip().rstrip("=")) <= 4


def test_values_are_masked_at_any_depth_and_in_names() -> None:
    mask = Mask({"token": PLAIN, "pin": "12345678"})
    value = {"a": [f"x{PLAIN}y", {PLAIN: 1}], "n": 12345678, "f": 1.5, "t": True, "none": None, "b": PLAIN.encode()}
    assert mask.value(value) == {
        "a": ["x[secret token]y", {"[secret token]": 1}],
        "n": "[secret pin]",
        "f": 1.5,
        "t": True,
        "none": None,
        "b": "[secret token]",
    }


def test_secrets_beside_and_inside_each_other_are_all_masked() -> None:
    mask = Mask({"long": "abcdefgh", "short": "cdef"})
    assert (
        mask.text("abcdefgh cdef cdefabcdefghcdef")
        == "[secret long] [secret short] [secret short][secret long][secret short]"
    )


def test_the_lines_of_a_secret_are_masked_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nAAAABBBBCCCCDDDD\n-----END KEY-----\n"
    assert Mask({"key": key}).text("grep: MIIEvQIBADANBgkqhkiG") == "grep: [secret key]"


def test_without_secrets_nothing_changes() -> None:
    assert Mask({}).text("a [secret x] b") == "a [secret x] b"
    assert Mask({}).margin == 0


_SECRETS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=4, max_size=40).filter(
    lambda text: len("".join(text.split())) >= 4
)


@given(_SECRETS, st.sampled_from(sorted(FORMS)), st.text("xyz \n0", max_size=30), st.integers())
def test_no_secret_survives_in_any_of_the_forms(secret: str, form: str, around: str, seed: int) -> None:
    cut = random.Random(seed).randint(0, len(around))
    text = around[:cut] + " " + FORMS[form](secret) + " " + around[cut:]
    masked = Mask({"token": secret}).text(text)
    assert secret not in masked.replace(MASKED, "")
    assert MASKED in masked


@given(st.text(max_size=200), _SECRETS)
def test_masking_is_stable_and_total(text: str, secret: str) -> None:
    mask = Mask({"token": secret})
    assert secret not in mask.text(text) or secret in MASKED
