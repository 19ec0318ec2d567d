"""The keys of facts: what each means, and whether it is text, a version, a number or yes and no.

The list only grows: packages name these keys, and a marketplace keeps packages for ever. ``tool.<name>`` is open, and
so is everything below a prefix of one's own (``acme.region``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from keiken.i18n import _

Kind = Literal["text", "version", "number", "boolean", "list"]
Fact = str | int | float | bool | list[Any] | None

KEY = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_.+-]*)+$")
KEY_CHARACTERS_LIMIT = 100
RESERVED = ("os", "tool", "python", "locale", "host", "network")

KNOWN: Mapping[str, tuple[Kind, str]] = MappingProxyType(
    {
        "os.family": ("text", "linux, darwin, windows"),
        "os.id": ("text", "debian, ubuntu, fedora, alpine, as in /etc/os-release"),
        "os.like": ("list", "the systems it is derived from"),
        "os.version": ("version", "12, 24.04"),
        "os.point_release": ("version", "12.11, where /etc/debian_version tells"),
        "os.codename": ("text", "bookworm, noble"),
        "os.kernel": ("version", "the running kernel"),
        "os.architecture": ("text", "x86_64, aarch64, as uname -m tells"),
        "os.init": ("text", "systemd, or the name of process 1"),
        "os.libc": ("text", "glibc or musl"),
        "python.version": ("version", "of the python3 found first"),
        "locale.language": ("text", "en, ja, or c"),
        "locale.territory": ("text", "JP"),
        "locale.encoding": ("text", "UTF-8"),
        "locale.available": ("list", "all locales that are installed"),
        "host.cpus": ("number", "processors that may be used"),
        "host.memory_mib": ("number", "memory in MiB"),
        "host.disk_free_mib": ("number", "free space in MiB where the job runs"),
        "host.is_root": ("boolean", "whether commands run as root"),
        "host.is_container": ("boolean", "whether it is a container"),
        "network.loopback": ("boolean", "whether 127.0.0.1 is up"),
        "network.ipv6": ("boolean", "whether IPv6 is there"),
        "network.default_route": ("boolean", "whether there is a way out; nobody is contacted"),
    }
)


def kind(key: str) -> Kind | None:
    """None for keys of one's own: there the fact decides."""
    if key in KNOWN:
        return KNOWN[key][0]
    return "version" if key.startswith("tool.") else None


def key_problem(key: str) -> str | None:
    """Why this cannot be the key of a fact."""
    if not KEY.fullmatch(key) or len(key) > KEY_CHARACTERS_LIMIT:
        return _("a key is lower-case words joined by dots, as in tool.openssl or acme.region")
    prefix = key.partition(".")[0]
    if prefix not in RESERVED or prefix == "tool" or key in KNOWN:
        return None
    close = difflib.get_close_matches(key, KNOWN, n=1)
    if close:
        return _("there is no such fact; is '{name}' meant?").format(name=close[0])
    known = ", ".join(name for name in KNOWN if name.startswith(f"{prefix}."))
    return _("there is no such fact; known are {names}").format(names=known)
