"""The parent of launchers: has loaded what they need, and forks one for each sandbox that its owner asks for.

Starting Python and loading the modules is two thirds of a launcher's start, and the same each time. The nursery is
started like every process of ours, with an empty environment; it never sees a plan, a package or an output: the
descriptors go through it unread. So a launcher is as clean as if it were started anew. It ends with its owner.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import sys

from keiken.sandbox import bwrap_launcher as _bwrap_launcher  # noqa: F401  # loaded here once, for all of them
from keiken.sandbox import launcher, linux, wire
from keiken.sandbox import oci_launcher as _oci_launcher  # noqa: F401

TYPE_CHECKING = False  # importing typing costs a third of this process's start
if TYPE_CHECKING:
    from typing import NoReturn

NAME, CHILD_NAME = b"keiken-nursery", b"keiken-launch"
"""What ``ps`` shows; the kernel keeps 15 bytes."""


class Nursery:
    """The loop. A request comes with two descriptors: the launcher's end of its control socket, and where it may
    complain. The answer is its pid with a pidfd.
    """

    def __init__(self, control: socket.socket, owner: int) -> None:
        self.control, self.owner = control, owner
        self.children: dict[int, int] = {}
        """By pidfd: the pid."""

    def serve(self) -> None:
        waiting = select.poll()
        waiting.register(self.control, select.POLLIN)
        waiting.register(self.owner, select.POLLIN)
        while True:
            for fd, _events in waiting.poll():
                if fd in self.children:
                    waiting.unregister(fd)
                    self._reap(fd)
                elif fd == self.owner or not self._obey(waiting):
                    return

    def _obey(self, waiting: select.poll) -> bool:
        """Fork one launcher. False when the owner is gone."""
        received = wire.receive(self.control)
        if received is None:
            return False
        _message, fds = received
        try:
            pid = os.fork()
        except OSError as trouble:
            wire.send(self.control, {"trouble": str(trouble)})
        else:
            if pid == 0:
                self._become_launcher(*fds)
            pidfd = os.pidfd_open(pid)  # nobody else reaps it, so the number is still its own
            self.children[pidfd] = pid
            waiting.register(pidfd, select.POLLIN)
            wire.send(self.control, {"pid": pid}, [pidfd])
        for fd in fds:
            os.close(fd)
        return True

    def _reap(self, pidfd: int) -> None:
        os.waitpid(self.children.pop(pidfd), 0)
        os.close(pidfd)

    def _become_launcher(self, control: int, complaints: int) -> NoReturn:
        code = 1
        try:
            os.setsid()
            linux.name_process(CHILD_NAME)
            os.dup2(complaints, 2)
            for fd in (self.control.detach(), self.owner, complaints, *self.children):
                os.close(fd)
            launcher.main(control)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)


def main(control_fd: int) -> None:
    """Serve the process that started us, until it ends or closes the socket."""
    os.set_inheritable(control_fd, False)
    control = socket.socket(fileno=control_fd)
    received = wire.receive(control)
    if received is None or os.getppid() != received[0]["owner"]:
        return
    linux.name_process(NAME)
    gc.freeze()  # what is loaded stays shared with the children
    wire.send(control, {"ready": True})
    Nursery(control, os.pidfd_open(received[0]["owner"])).serve()
