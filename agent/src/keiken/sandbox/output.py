"""Standard output and standard error of one process, kept up to a size and never allowed to block or flood us."""

from __future__ import annotations

import contextlib
import os
import selectors
import time

_GRACE_SECONDS = 0.1
_CHUNK = 65_536


class Collector:
    """Two pipes. ``kept`` is the first ``keep`` bytes of each; ``is_over`` once both together brought more than
    ``kill``.
    """

    def __init__(self, keep: int, kill: int) -> None:
        self._keep, self._kill, self._total = keep, kill, 0
        self._truncated = False
        self._readers: list[int] = []
        self._kept: dict[int, bytearray] = {}
        self._order: list[int] = []

    @property
    def is_over(self) -> bool:
        return self._total > self._kill

    def ends(self, uid: int) -> list[int]:
        """The writing ends, for the process; owned by the job so that it may reopen ``/dev/stdout``."""
        writers = []
        for _stream in range(2):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reader, False)
            if os.geteuid() == 0:
                os.fchown(writer, uid, -1)
            self._readers.append(reader)
            self._order.append(reader)
            self._kept[reader] = bytearray()
            writers.append(writer)
        return writers

    def register(self, selector: selectors.BaseSelector) -> None:
        for reader in self._readers:
            selector.register(reader, selectors.EVENT_READ)

    def take(self, fd: int, selector: selectors.BaseSelector) -> None:
        """Read what is there now; at the end of the pipe stop listening to it."""
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            selector.unregister(fd)
            self._forget(fd)
            return
        self._total += len(chunk)
        room = self._keep - len(self._kept[fd])
        self._kept[fd] += chunk[:room]
        self._truncated = self._truncated or len(chunk) > room

    def finish(self) -> None:
        """The process has ended: take what is left, waiting a moment only where a background process holds a pipe
        open.
        """
        deadline = time.monotonic() + _GRACE_SECONDS
        with selectors.DefaultSelector() as selector:
            self.register(selector)
            while self._readers and not self.is_over:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                for key, _events in ready:
                    self.take(key.fd, selector)
                if time.monotonic() >= deadline:
                    return

    def kept(self) -> tuple[bytes, bytes, bool]:
        """(stdout, stderr, whether anything was cut off)."""
        stdout, stderr = (bytes(self._kept[fd]) for fd in self._order)
        return stdout, stderr, self._truncated

    def open_fds(self) -> list[int]:
        """Reading ends whose other side somebody still holds."""
        return list(self._readers)

    def close(self) -> None:
        for fd in list(self._readers):
            self._forget(fd)

    def _forget(self, fd: int) -> None:
        self._readers.remove(fd)
        with contextlib.suppress(OSError):
            os.close(fd)
