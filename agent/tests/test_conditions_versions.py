"""Versions as programs and vendors write them compare as their users expect."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.version import Version

from keiken.conditions.versions import in_range, normal_version


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("3.0.15-1+deb12u1", "3.0.15"),
        ("OpenSSL 3.0.15 3 Sep 2024 (Library: OpenSSL 3.0.15 3 Sep 2024)", "3.0.15"),
        ("1.1.1w", "1.1.1.post23"),
        ("1.1.1", "1.1.1"),
        ("nginx/1.22.1", "1.22.1"),
        ("git version 2.39.5", "2.39.5"),
        ("9.5p1", "9.5.post1"),
        ("OpenSSH_9.2p1 Debian-2+deb12u6", "9.2.post1"),
        ("5.37.1-2", "5.37.1"),
        ("1:9.2p1-2+deb12u3", "9.2.post1"),
        ("v20.20.2", "20.20.2"),
        ("go1.21.3", "1.21.3"),
        ("6.1.0-28-amd64", "6.1.0"),
        ("252 (252.31-1~deb12u1)", "252.31"),
        ("12", "12"),
        ("20230909", "20230909"),
        ("1.8.0_392", "1.8.0.post392"),
        ("3.13.0rc1", "3.13.0rc1"),
        ("3.14.0a2+", "3.14.0a2"),
        ("1.2~beta2-1", "1.2b2"),
        ("2.0.dev5", "2.0.dev5"),
        ("10.11.6-MariaDB-0+deb12u1", "10.11.6"),
        ("4.2.8p15", "4.2.8.post15"),
        ("jq-1.6", "1.6"),
        ("tar (GNU tar) 1.34", "1.34"),
        ("2024.1 LTS", "2024.1"),
    ],
)
def test_what_vendors_add_does_not_count(text: str, normal: str) -> None:
    assert normal_version(text) == Version(normal)


@pytest.mark.parametrize("text", ["", "unknown", "trixie/sid", "v", "..", "-", "9" * 5000])
def test_what_is_no_version_is_none(text: str) -> None:
    assert normal_version(text) is None


@pytest.mark.parametrize(
    "ordered",
    [
        ["1.0.2", "1.1.1", "1.1.1a", "1.1.1w", "3.0.0-rc1", "3.0.0", "3.0.15-1~deb12u1", "3.1"],
        ["8.9p1", "9.2p1-2+deb12u3", "9.5", "9.5p1", "9.10"],
        ["3.13.0a1", "3.13.0b2", "3.13.0rc1", "3.13.0", "3.13.1"],
    ],
)
def test_versions_are_ordered_as_they_appeared(ordered: list[str]) -> None:
    versions = [normal_version(text) for text in ordered]
    assert versions == sorted(versions)  # type: ignore[type-var]  # none of them is None
    assert len(set(versions)) == len(versions)


@given(st.text(max_size=60) | st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3}){0,3}[a-z~+_.-]{0,4}[0-9]{0,3}", fullmatch=True))
@example("۰.۱")  # digits, but none of a version
def test_no_text_confuses_it(text: str) -> None:
    version = normal_version(text)
    if version is not None:
        assert in_range(text, f"=={version}")
        assert in_range(text, f">={version}")
        assert not in_range(text, f"!={version}")
        assert not in_range(text, f"<{version}")
