"""The evaluating child as its owner sees it: every exchange has a deadline, every frame a size."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from keiken.checks import frames

FRAME_LIMIT_BYTES = 4 << 20
START_SECONDS = 60
"""Starting is our own time, not an expression's; a machine under load may need a while."""
_SOURCE = Path(__file__).resolve().parents[2]
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from keiken.checks.worker import main; main()"


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
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE, str(_SOURCE)],
            env={"LANG": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Any, seconds: float) -> None:
        """Raises ChildGone, FrameError for what cannot travel, and RuntimeError when it did not start."""
        if not self._is_ready:
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
        try:
            self.receive(START_SECONDS)
        except ChildGone as error:
            raise RuntimeError("the process that evaluates checks did not start") from error
        self._is_ready = True

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
        """Kill it; may be called again."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

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
            self._process.kill()
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its pipes and lives on: not to be trusted
            self._process.kill()
            status = self._process.wait()
        self.close()
        return ChildGone(was_slow=was_slow, status=status)
