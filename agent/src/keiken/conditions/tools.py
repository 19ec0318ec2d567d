"""How each known tool is asked for its version: the only commands that probing ever carries out.

A tool that is not in this list is never started, whoever asks for it: a package may name ``tool.deploy``, and running
somebody's ``deploy --version`` could deploy. Its version is then what the system's package manager says of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$")

_PLAIN = """
    openssl=version git nginx=-v sqlite3 psql postgres pg_dump pg_restore initdb python3 pip3 pipx uv curl wget
    tar gzip bzip2 xz zstd zip=-v unzip=-v gpg gpgv jq sed gawk grep find sort cmp diff patch file iconv locale
    logrotate systemctl docker podman node make gcc g++ clang cmake ld rsync ssh=-V perl bash zsh ip=-V apt-get dpkg
    rpm dnf apk ruby php java=-version javac=-version go=version rustc cargo terraform ansible aws redis-server
    redis-cli valkey-server mysql mariadb mysqldump haproxy=-v httpd=-v apache2=-v ffmpeg=-version pandoc rg tmux=-V
    vim screen dig=-v nft iptables bwrap ps
"""
_NPM = 'grep -m 1 \'"version"\' "$(dirname "$(readlink -f "$(command -v npm)")")/../package.json"'

ASKED: Mapping[str, str] = MappingProxyType(
    {name: f"{name} {flag or '--version'}" for name, _sign, flag in (word.partition("=") for word in _PLAIN.split())}
    | {"awk": "awk -W version", "mawk": "mawk -W version", "npm": _NPM}
)
"""Tool to the shell words that make it tell. Of npm a file is read: it takes a third of a second to start."""

WELL_KNOWN = tuple(
    "apt-get awk bash bzip2 cmp curl dash diff docker dpkg file find gawk gcc git gpg grep gzip iconv ip jq logger "
    "logrotate make node nginx npm openssl patch perl pg_dump postgres psql python3 rsync sed sqlite3 ssh systemctl "
    "tar unzip wget xz zip zstd".split()
)
"""These are always looked for."""


def names(asked: Iterable[str]) -> list[str]:
    """All tools to look for, sorted; a name that could be anything but a name is passed over."""
    return sorted({name for name in (*WELL_KNOWN, *asked) if NAME.fullmatch(name)})
