"""The time that a whole replay may take."""

from __future__ import annotations

import time

from keiken.errors import Failed
from keiken.i18n import _


class Clock:
    """Counts down from when it is made."""

    def __init__(self, wall_seconds: float) -> None:
        self._wall_seconds = wall_seconds
        self.restart()

    def restart(self) -> None:
        """The whole time again: putting things back must not fail because the steps took long."""
        self._deadline = time.monotonic() + self._wall_seconds

    def extend(self, seconds: float) -> None:
        """Give back the time that a person took to answer."""
        self._deadline += seconds

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raises Failed ``timeout`` when the time is over."""
        if self.seconds_left == 0:
            raise Failed(
                "timeout",
                _("The replay took longer than {n:g} s altogether.").format(n=self._wall_seconds),
                _("Give it more time, or split the experience."),
            )

    def sleep(self, seconds: float) -> None:
        """Raises Failed ``timeout`` when the time ends first."""
        time.sleep(min(seconds, self.seconds_left))
        self.check()
