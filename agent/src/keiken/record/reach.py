"""What a session reached beyond its folder: other hosts, and the machine itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

from keiken.package import scripts

_CLIENTS = {"curl", "wget", "git"}
_PORTS = {"http": 80, "https": 443, "git": 9418, "ssh": 22, "ftp": 21}
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"({_LABEL}(?:\.{_LABEL})*)"
_URL = re.compile(
    rf"\b(https?|git|ssh|ftp)://(?:[^\s/@'\"]*@)?{_HOST}(?::([1-9]\d{{0,3}}|[1-5]\d{{4}}|6[0-4]\d{{3}}))?(?![\w.:-])"
)
_OVER_SSH = re.compile(rf"(?<!\S)[\w.-]+@{_HOST}:(?!//)")
_HERE = re.compile(r"localhost|.*\.localhost|127\..*")
_OF_THE_MACHINE = set(
    """sudo su doas systemctl service apt apt-get dpkg dnf yum rpm apk snap brew mount umount useradd userdel usermod
    groupadd passwd crontab iptables nft sysctl hostnamectl timedatectl reboot shutdown docker podman kubectl""".split()
)


def hosts(texts: Iterable[str]) -> list[str]:
    """``host:port`` of whatever a client of the network was given, without this machine."""
    found = set()
    for text in texts:
        if not scripts.commands(text) & _CLIENTS:
            continue
        named = [(match.group(2), match.group(3) or _PORTS[match.group(1)]) for match in _URL.finditer(text)]
        named += [(match.group(1), 22) for match in _OVER_SSH.finditer(text)]
        found |= {f"{host.lower()}:{port}" for host, port in named if not _HERE.fullmatch(host.lower())}
    return sorted(found)


def changes_machine(text: str) -> bool:
    """Whether a command of the line is there to change the machine, or needs its administrator."""
    return bool(scripts.commands(text) & _OF_THE_MACHINE)
