"""The process of one sandbox's proxy. What it parses is hostile, so it holds nothing of value and can write nowhere.

It ends with its owner, and by ``end``; ``log`` hands out what was noted since it was last asked.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import threading

from keiken.sandbox import landlock, linux, wire

TYPE_CHECKING = False  # importing typing takes longer than all the rest of this module
if TYPE_CHECKING:
    from typing import Any

    from keiken.sandbox.egress.proxy import Proxy

_NOTES_IN_A_MESSAGE = 200
_OPEN_FILES = 512


def main(control_fd: int) -> None:
    """Serve over the listener that comes with the plan, until told to end or the owner is gone."""
    os.set_inheritable(control_fd, False)
    control = socket.socket(fileno=control_fd)
    received = wire.receive(control)
    if received is None:
        return
    plan, (listener,) = received
    sys.path.append(plan["libraries"])
    from keiken.sandbox.egress.proxy import Bounds, Proxy
    from keiken.sandbox.egress.rules import Rules

    "".encode("idna")  # every look-up asks for it, and afterwards its module may not be readable any more
    rules = Rules(plan["patterns"], addresses=plan["addresses"], names=plan["names"])
    proxy = Proxy(socket.socket(fileno=listener), rules, Bounds(**plan["bounds"]))
    _give_up_rights(plan["uid"], plan["gid"])
    wire.send(control, {"ready": True})
    threading.Thread(target=proxy.serve, daemon=True).start()
    with contextlib.suppress(OSError):
        _obey(control, proxy)
    os._exit(0)  # threads may still wait for a resolver


def _give_up_rights(uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if landlock.abi():
        landlock.restrict(landlock.Ruleset(files=landlock.WRITING | landlock.EXECUTE).fd)


def _obey(control: socket.socket, proxy: Proxy) -> None:
    while (received := wire.receive(control)) is not None:
        if received[0]["do"] == "end":
            proxy.end()
        wire.send(control, _told(proxy))


def _told(proxy: Proxy) -> dict[str, Any]:
    return {"notes": proxy.log.take(_NOTES_IN_A_MESSAGE)}
