"""How things on a marketplace are named, ``ORG/NAME`` and ``ORG/NAME@VERSION``; and how its address is written."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from keiken.errors import UsageError
from keiken.i18n import _
from keiken.package.manifest import REFERENCE_PATTERN, SEMVER_PATTERN

_REFERENCE = re.compile(REFERENCE_PATTERN)
_VERSION = re.compile(SEMVER_PATTERN)
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
LATEST = "latest"


@dataclass(frozen=True)
class Reference:
    """``version`` is empty where none was named."""

    organization: str
    name: str
    version: str = ""

    @property
    def experience(self) -> str:
        return f"{self.organization}/{self.name}"

    @property
    def path(self) -> str:
        """The address of the experience below ``/api/v1/``."""
        return f"experiences/{self.organization}/{self.name}"

    @property
    def version_path(self) -> str:
        return f"{self.path}/versions/{quote(self.version or LATEST, safe='')}"

    def at(self, version: str) -> Reference:
        return Reference(self.organization, self.name, version)

    def __str__(self) -> str:
        return f"{self.experience}@{self.version}" if self.version else self.experience

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises UsageError ``reference_invalid``."""
        experience, at, version = text.partition("@")
        is_version = _VERSION.match(version) is not None and len(version) <= 64
        if len(text) > 200 or not _REFERENCE.match(experience) or (at and version != LATEST and not is_version):
            raise UsageError(
                "reference_invalid",
                _("'{text}' names no experience.").format(text=text[:200]),
                _("Write it as ORG/NAME or ORG/NAME@1.2.3."),
            )
        organization, _slash, name = experience.partition("/")
        return cls(organization, name, version if version != LATEST else "")


def server_address(text: str) -> str:
    """The address in its one form: ``https://host[:port]``. Raises UsageError ``server_invalid``."""
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, (parts.hostname or "").encode("idna").decode().lower()
    except (ValueError, UnicodeError):
        parts, port, host = urlsplit(""), None, ""
    is_plain = parts.username is None and parts.path in ("", "/") and not parts.query and not parts.fragment
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or not is_plain or not text.isprintable():
        raise UsageError(
            "server_invalid",
            _("'{text}' is no address of a marketplace.").format(text=text[:200]),
            _("Write it as https://host, without a path, a name or a password."),
        )
    shown = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None and port != default else "")


def place_of(server: str) -> str:
    """A name for files about one marketplace; two addresses that would be written alike have different ones."""
    unique = hashlib.sha256(server.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^0-9a-z.-]+', '_', server.lower())}-{unique}"


def is_loopback(server: str) -> bool:
    """Whether the address never leaves this machine."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
