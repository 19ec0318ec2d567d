"""The evaluating child as its owner sees it: every exchange has a deadline, every frame a size."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import Any

from keiken.checks import frames, nursery

FRAME_LIMIT_BYTES = 4 << 20
START_SECONDS = 60
"""Starting is our own time, not an expression's; a machine under load may need a while."""
END_SECONDS = 5
_KILLED = -signal.SIGKILL


class ChildGone(Exception):
    """The child ended, or did not answer in time and was killed. ``was_slow`` tells which."""

    def __init__(self, *, was_slow: bool, status: int) -> None:
        super().__init__(f"the evaluating child is gone (status {status})")
        self.was_slow = was_slow
        self.status = status

    @property
    def used_up(self) -> bool:
        """Whether it ended by its own limits: too slow, out of processor time, memory or stack."""
        by_limit = {-signal.SIGPROF, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL}
        return self.was_slow or self.status in by_limit


class Child:
    """One process with a pipe to it and a pipe from it; it starts while its owner does something else."""

    def __init__(self) -> None:
        self._pidfd = -1
        self._ask_for_it()

    def _ask_for_it(self) -> None:
        requests, self._in = os.pipe()
        self._out, answers = os.pipe()
        self._life, life = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        try:
            with life:
                nursery.bear(requests, answers, life.fileno())
        except OSError:
            self._close_ends()
            raise
        finally:
            os.close(requests)
            os.close(answers)

    @property
    def is_alive(self) -> bool:
        """Whether nothing was heard of its end, which is all that can be heard once it is there."""
        heard = select.poll()
        heard.register(self._life, select.POLLIN)
        return self._pidfd < 0 or not heard.poll(0)

    def send(self, message: Any, seconds: float) -> None:
        """Raises ChildGone, FrameError for what cannot travel, and RuntimeError when it did not start."""
        if self._pidfd < 0:
            self._wait_for_start()
        data = memoryview(frames.dump(message))
        deadline = time.monotonic() + seconds
        while data:
            self._wait([], [self._in], deadline)
            try:
                data = data[os.write(self._in, data) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._gone(was_slow=False) from None

    def _wait_for_start(self) -> None:
        if not self._has_started():  # the nursery was killed before it got to it
            self._close_ends()
            self._ask_for_it()
            if not self._has_started():
                raise RuntimeError("the process that evaluates checks did not start")

    def _has_started(self) -> bool:
        self._life.settimeout(START_SECONDS)
        try:
            _message, descriptors, _flags, _address = socket.recv_fds(self._life, 16, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return False
        if descriptors:
            (self._pidfd,) = descriptors
        return bool(descriptors)

    def receive(self, seconds: float) -> Any:
        """The next message. Raises ChildGone."""
        deadline = time.monotonic() + seconds
        (count,) = frames.HEADER.unpack(self._exactly(frames.HEADER.size, deadline))
        if count > FRAME_LIMIT_BYTES:
            raise self._gone(was_slow=True)
        try:
            return frames.load(self._exactly(count, deadline))
        except (ValueError, RecursionError):
            raise self._gone(was_slow=True) from None

    def close(self) -> None:
        """Kill it and wait until it is gone; may be called again."""
        if self._pidfd >= 0:
            self._kill()
            self._exit_code()
            os.close(self._pidfd)
            self._pidfd = -1
        self._close_ends()

    def _close_ends(self) -> None:
        """Where it has not started yet, it ends because there is nobody to hear from."""
        for descriptor in (self._in, self._out):
            if descriptor >= 0:
                os.close(descriptor)
        self._in = self._out = -1
        self._life.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _exit_code(self) -> int:
        """That of a killed one when its parent does not say in time, or was killed itself: then nobody will know."""
        self._life.settimeout(END_SECONDS)
        try:
            said = self._life.recv(16)
        except OSError:  # a timeout, too
            return _KILLED
        return int(said) if said else _KILLED

    def _exactly(self, count: int, deadline: float) -> bytes:
        parts = []
        while count:
            self._wait([self._out], [], deadline)
            with contextlib.suppress(BlockingIOError):
                part = os.read(self._out, min(count, 1 << 20))
                if not part:
                    raise self._gone(was_slow=False)
                parts.append(part)
                count -= len(part)
        return b"".join(parts)

    def _wait(self, readable: list[int], writable: list[int], deadline: float) -> None:
        poll = select.poll()  # unlike select(), it takes descriptors above 1,023
        for descriptor in readable:
            poll.register(descriptor, select.POLLIN)
        for descriptor in writable:
            poll.register(descriptor, select.POLLOUT)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise self._gone(was_slow=True)

    def _gone(self, *, was_slow: bool) -> ChildGone:
        if was_slow:
            self._kill()
        status = self._exit_code()
        self.close()  # what closed its pipes and lives on is not to be trusted
        return ChildGone(was_slow=was_slow, status=status)
