"""The kernel's table of TCP sockets (``/proc/net/tcp``, ``tcp6``)."""

from __future__ import annotations

_LISTENING = "0A"


def listening(table: bytes) -> set[int]:
    """The ports that are listened on."""
    ports = set()
    for line in table.decode("ascii", "replace").splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == _LISTENING:
            ports.add(int(words[1].rpartition(":")[2], 16))
    return ports
