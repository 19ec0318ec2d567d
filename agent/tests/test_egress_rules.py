"""Which hosts and addresses a way out may lead to."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiken.sandbox.egress.rules import Denied, Rules, covers, is_loopback, is_public, unwrapped

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    ("pattern", "host", "port", "expected"),
    [
        ("api.example.com:443", "api.example.com", 443, True),
        ("api.example.com:443", "api.example.com", 80, False),
        ("api.example.com:443", "evil.api.example.com", 443, False),
        ("*.example.com:443", "a.b.example.com", 443, True),
        ("*.example.com:443", "example.com", 443, False),
        ("*.example.com:443", "badexample.com", 443, False),
        ("api.example.com:*", "api.example.com", 22, True),
        ("[2606:2800::1]:443", "2606:2800::1", 443, True),
    ],
)
def test_a_pattern_covers_what_it_names_and_no_more(pattern: str, host: str, port: int, expected: bool) -> None:
    assert covers(pattern, host, port) is expected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1",
        "2001:db8::1", "fec0::1",
    ],
)  # fmt: skip
def test_this_machine_inner_networks_and_providers_services_are_not_public(address: str) -> None:
    with pytest.raises(Denied) as denied:
        Rules(["host.example:80"], names={"host.example": [address]}).reachable("host.example", 80)
    assert denied.value.code == "address_not_public"


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "2002:101:101::1", "::ffff:1.1.1.1"])
def test_what_everybody_can_reach_is_public(address: str) -> None:
    assert Rules(["h.example:80"], names={"h.example": [address]}).reachable("h.example", 80) == [address]


def test_an_address_of_this_machine_is_not_public_however_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering:
        def __enter__(self) -> Answering:
            return self

        def __exit__(self, *_exception: object) -> None: ...

        def connect(self, _address: object) -> None: ...

        def getsockname(self) -> tuple[str, int]:
            return (PUBLIC, 1)

    assert is_public(ipaddress.ip_address(PUBLIC))
    monkeypatch.setattr(socket, "socket", lambda *_given: Answering())
    assert not is_public(ipaddress.ip_address(PUBLIC))


def test_a_name_is_looked_up_once_and_only_what_was_looked_at_is_given_back() -> None:
    asked: list[str] = []

    def turning(name: str) -> list[str]:
        asked.append(name)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    rules = Rules(["turning.example:80"], resolve=turning)
    assert rules.reachable("turning.example", 80) == [PUBLIC]
    with pytest.raises(Denied) as denied:
        rules.reachable("Turning.Example.", 80)
    assert denied.value.code == "address_not_public"
    assert asked == ["turning.example", "turning.example"]


def test_of_several_answers_the_inner_ones_are_left_out() -> None:
    rules = Rules(["h.example:80"], resolve=lambda _name: ["169.254.169.254", PUBLIC, "::1"])
    assert rules.reachable("h.example", 80) == [PUBLIC]


def test_an_undeclared_name_is_not_even_looked_up() -> None:
    def never(name: str) -> list[str]:
        raise AssertionError(name)

    rules = Rules(["api.example.com:443"], resolve=never)
    for host, port in (("secret-abc.attacker.example", 443), ("api.example.com", 80), ("127.0.0.1", 443)):
        with pytest.raises(Denied) as denied:
            rules.reachable(host, port)
        assert denied.value.code == "not_declared"


def test_an_inner_address_needs_both_to_be_declared_and_to_be_allowed() -> None:
    def code(patterns: list[str], addresses: list[str]) -> str:
        names = {"db.corp": ["10.0.0.5"]}
        try:
            Rules(patterns, addresses=addresses, names=names).reachable("db.corp", 5432)
        except Denied as denied:
            return denied.code
        return ""

    assert code(["db.corp:5432"], []) == "address_not_public"
    assert code(["db.corp:5432", "10.0.0.5:5432"], []) == "address_not_public"
    assert code(["db.corp:5432"], ["10.0.0.5"]) == "address_not_public"
    assert code(["db.corp:5432", "10.0.0.5:22"], ["10.0.0.5"]) == "address_not_public"
    assert code(["db.corp:5432", "10.0.0.5:5432"], ["10.0.0.5"]) == ""


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a@b", "-x.example", "a..b", "é.example", "a\0b", "x" * 300, "a%2eb"]
)
def test_what_is_no_host_is_refused_before_anything_else(host: str) -> None:
    with pytest.raises(Denied) as denied:
        Rules(["*.example:*"]).reachable(host, 80)
    assert denied.value.code == "malformed"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_an_address_in_disguise_leads_where_it_leads(host: str) -> None:
    """The resolver reads such words as addresses; a package that declares one gets no further than with the address."""
    with pytest.raises(Denied) as denied:
        Rules([f"{host}:80"]).reachable(host, 80)
    assert denied.value.code == "address_not_public"


@given(st.ip_addresses(v=4))
def test_an_ipv6_address_that_carries_another_is_judged_by_it(address: ipaddress.IPv4Address) -> None:
    carriers = [
        ipaddress.IPv6Address(f"::ffff:{address}"),
        ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(address)),
        ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)),
    ]
    assert [unwrapped(one) for one in carriers] == [address] * 3


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("a.localhost.", True), ("[::1]", True), ("127.9.9.9", True), ("localhost.example", False)],
)
def test_a_sandboxs_own_hosts_are_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
