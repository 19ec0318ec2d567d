"""The requests for a way out of the sandbox, each told with the step during which it began."""

from __future__ import annotations

import bisect
import dataclasses
import time

from keiken.replay.report import ConnectionRecord
from keiken.sandbox.protocol import Connection, Sandbox


class WayOut:
    """What one replay asked of the network.

    A connection is told when it has ended, which can be long after its step: the other side may take its time. So when
    it began decides whose it was, by the one monotonic clock of the machine.
    """

    def __init__(self) -> None:
        self._marks: list[tuple[float, str]] = []
        self._ended: list[Connection] = []

    def enter(self, step: str) -> None:
        """From now on what begins is this step's; with an empty name it is nobody's."""
        self._marks.append((time.monotonic(), step))

    def collect(self, sandbox: Sandbox) -> None:
        """Take what has ended since, so that a proxy that is lost later takes little with it."""
        self._ended += sandbox.connections()

    def records(self) -> list[ConnectionRecord]:
        """All that was collected, in the order in which it began."""
        return [self._record(one) for one in sorted(self._ended, key=lambda one: one.began)]

    def _record(self, one: Connection) -> ConnectionRecord:
        told = dataclasses.asdict(one)
        earlier = bisect.bisect_right(self._marks, told.pop("began"), key=lambda mark: mark[0])
        return ConnectionRecord(step=self._marks[earlier - 1][1] if earlier else "", **told)
