"""Names and addresses are taken in one form only, so that none leads elsewhere than it reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiken.client import Reference, server_address
from keiken.client.references import is_loopback
from keiken.errors import UsageError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("acme/rotate-keys", ("acme", "rotate-keys", "")),
        ("acme/rotate@1.2.3", ("acme", "rotate", "1.2.3")),
        ("acme/rotate@1.2.3-rc.1+b7", ("acme", "rotate", "1.2.3-rc.1+b7")),
        ("acme/rotate@latest", ("acme", "rotate", "")),
    ],
)
def test_a_reference(text: str, parts: tuple[str, str, str]) -> None:
    found = Reference.parse(text)
    assert (found.organization, found.name, found.version) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acme",
        "nonsense",
        "acme/",
        "/x",
        "a/b/c",
        "acme/x@",
        "acme/x@1",
        "acme/x@1.2.3/..",
        "../x",
        "Acme/x",
        "acme/x@@1",
    ],
)
def test_what_names_no_experience(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse(text)
    assert (caught.value.code, caught.value.exit_code) == ("reference_invalid", 1)
    assert caught.value.advice == "Write it as ORG/NAME or ORG/NAME@1.2.3."


@given(st.text())
def test_no_text_leads_out_of_its_path(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except UsageError:
        return
    assert reference.version_path.count("/") == 4
    assert ".." not in reference.version_path.split("/")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://Keiken.Example", "https://keiken.example"),
        ("https://keiken.example/", "https://keiken.example"),
        ("https://keiken.example:443", "https://keiken.example"),
        ("http://127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("http://[::1]:80/", "http://[::1]"),
        (" https://経験.example ", "https://xn--2c0a820d.example"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert server_address(text) == address
    assert server_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "keiken.example",
        "ftp://keiken.example",
        "https://",
        "https://user:secret@keiken.example",
        "https://keiken.example/path",
        "https://keiken.example/?x=1",
        "https://keiken.example:99999",
        "https://keiken.example:x",
        "https://[::1",
        "https://a..b",
        "https://\x1b[2J.example",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        server_address(text)
    assert caught.value.code == "server_invalid"


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for candidate in (text, f"https://{text}"):
        try:
            address = server_address(candidate)
        except UsageError:
            continue
        assert address.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost", True),
        ("http://[::1]:8", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_what_never_leaves_this_machine(server: str, expected: bool) -> None:
    assert is_loopback(server) is expected
