"""Which addresses the platform may be asked to call: those of the public Internet, and what the operator allows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
URL_MAX_CHARACTERS = 500
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressError(ValueError):
    """The address is not to be called; the message says why in a word or two."""


@dataclass(frozen=True)
class Target:
    scheme: str
    host: str
    port: int
    path: str
    """With the query; begins with a slash."""


def target_of(url: str) -> Target:
    """The parts of an http or https URL. Raises AddressError ``malformed``."""
    if len(url) > URL_MAX_CHARACTERS or not url.isascii() or any(not sign.isprintable() or sign == " " for sign in url):
        raise AddressError("malformed")
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise AddressError("malformed") from None
    if not parts.hostname or parts.username is not None or parts.password is not None or "\\" in url or parts.fragment:
        raise AddressError("malformed")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port, path)


def networks_of(text: str) -> tuple[Network, ...]:
    """``10.1.0.0/16, ::1``. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_named(address: Address, networks: Iterable[Network]) -> bool:
    """In one of the networks. An IPv4 address inside an IPv6 one counts as what it is."""
    plain = _unwrapped(address)
    return any(plain.version == network.version and plain in network for network in networks)


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Public, or in one of the networks that the operator named."""
    plain = _unwrapped(address)
    if is_named(plain, networks):
        return True
    is_relayed = isinstance(plain, ipaddress.IPv6Address) and (plain.sixtofour or plain.teredo)
    return plain.is_global and not plain.is_multicast and not plain.is_reserved and not is_relayed


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
