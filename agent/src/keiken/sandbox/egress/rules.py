"""Which hosts and addresses may be reached: what a package declares, and no address of an inner network.

Imported by the proxy's own process: keep it light.
"""

from __future__ import annotations

import ipaddress
import re
import socket

TYPE_CHECKING = False  # importing typing takes longer than all the rest of this module
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Resolve = Callable[[str], Sequence[str]]
    """The addresses of a name, as text. Raises OSError."""

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INNER = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10")]
"""Not public by the registries of special addresses (RFC 6890 and its updates), which Python knows in part."""
_PROVIDERS_OWN = frozenset({"168.63.129.16"})
"""Addresses that look public and lead to a cloud provider's inner services (this one is Azure's)."""


class Denied(Exception):
    """Not to be reached: a stable code and what was looked at."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Rules:
    """``patterns`` are the package's ``host:port``; ``addresses`` non-public ones that were allowed besides.

    ``names`` are answered without asking anybody, like in ``/etc/hosts``; what they lead to is judged like the rest.
    """

    def __init__(
        self,
        patterns: Iterable[str],
        *,
        addresses: Iterable[str] = (),
        names: Mapping[str, Sequence[str]] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._patterns = [pattern.lower() for pattern in patterns]
        self._addresses = {unwrapped(ipaddress.ip_address(address)) for address in addresses}
        self._names = {name.lower(): list(found) for name, found in (names or {}).items()}
        self._resolve = resolve or look_up

    def reachable(self, host: str, port: int) -> list[str]:
        """The addresses to try for a declared host. Each was looked at, so nothing needs to be looked up again. Raises
        Denied.
        """
        name = host.lower().strip("[]").rstrip(".")
        literal = _literal(name)
        if literal is None and not (len(name) <= 253 and _NAME.fullmatch(name)):
            raise Denied("malformed", f"{name[:100]!r} is no host")
        if not self._declares(name, port):
            raise Denied("not_declared", f"{name}:{port} is not declared")
        try:
            found = [str(literal)] if literal else self._names.get(name) or self._resolve(name)
        except (OSError, UnicodeError) as trouble:
            raise Denied("unresolved", f"{name} has no address ({trouble})") from trouble
        permitted = [address for address in found if self._may_reach(ipaddress.ip_address(address), port)]
        if not permitted:
            raise Denied("address_not_public", f"{name} leads to {', '.join(found[:4]) or 'no address'}")
        return permitted

    def _declares(self, name: str, port: int) -> bool:
        return any(covers(pattern, name, port) for pattern in self._patterns)

    def _may_reach(self, address: Address, port: int) -> bool:
        inner = unwrapped(address)
        if is_public(inner):
            return True
        return inner in self._addresses and self._declares(str(inner), port)


def covers(pattern: str, host: str, port: int) -> bool:
    """``host:port``, ``*.domain:port`` or ``host:*``; an IPv6 address stands in brackets."""
    named, _colon, allowed = pattern.rpartition(":")
    if allowed not in ("*", str(port)):
        return False
    named = named.strip("[]")
    return host == named or (named.startswith("*.") and host.endswith(named[1:]) and host != named[1:])


def is_loopback(host: str) -> bool:
    """Whether a host is the sandbox's own, by name or by address."""
    name = host.lower().strip("[]").rstrip(".")
    literal = _literal(name)
    return is_named_loopback(name) if literal is None else literal.is_loopback


def is_named_loopback(name: str) -> bool:
    """``localhost`` and all below it (RFC 6761)."""
    return name == "localhost" or name.endswith(".localhost")


def is_public(address: Address) -> bool:
    """Whether everybody's Internet is at this address, and not this machine, its network or its provider's services."""
    if not address.is_global or address.is_multicast or address.is_reserved or str(address) in _PROVIDERS_OWN:
        return False
    if any(address in network for network in _INNER):
        return False
    return not _is_own(address)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4), which is where it leads."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        carried = address.ipv4_mapped or address.sixtofour
        if carried is not None:
            return carried
        if address.scope_id:
            return ipaddress.IPv6Address(int(address))
    return address


def _is_own(address: Address) -> bool:
    """Whether the address is one of this machine's, where what is meant for itself may answer. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return bool(ipaddress.ip_address(probe.getsockname()[0]) == address)
    except OSError:
        return False  # no way leads there at all


def _literal(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def look_up(name: str) -> list[str]:
    """What this machine's resolver says. Raises OSError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
