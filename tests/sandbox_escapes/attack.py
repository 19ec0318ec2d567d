"""What an attack is: a script, what it aims at outside, and how both worlds are asked whether it got through."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keiken.replay.report import Verdict
from keiken.sandbox.protocol import Driver, Egress

THROUGH, REFUSED = "[through]", "[refused]"
SAYS_REFUSED = f"file('work/claim').text.startsWith('{REFUSED}')"


class Outside:
    """Something of the test's own out here that an attack aims at.

    ``env`` tells the script where it is; ``secret`` is what must not come back. ``inherited`` are descriptors and
    ``inherited_env`` variables that the test process leaves open for whoever it starts, sandboxes and bare processes.
    """

    def __init__(self, *, secret: str = "", **env: str) -> None:
        self.env, self.secret = env, secret
        self.inherited: list[int] = []
        self.inherited_env: dict[str, str] = {}

    def evidence(self) -> str:
        """What the attack did to it; empty while it is untouched."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one attempt happens: a folder of its own, and a word that occurs nowhere else on the machine."""

    folder: Path
    marker: str
    driver: Driver | None = None
    """None for the bare one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one attempt, inside or bare: everything it said or left, and what it did to what it aimed at."""

    text: str
    outside: Outside
    reached: str
    """The evidence, taken once: looking may use it up."""
    verdict: str
    """The product's verdict; in the control that of a harness which believes what it is told."""


def claims_or_reaches(seen: Seen) -> bool:
    """The script says it got through, or what it aimed at shows it. The script's own word counts against us only."""
    return THROUGH in seen.text or bool(seen.reached)


def reads_secret(seen: Seen) -> bool:
    """What was to stay outside stands in what came back."""
    return seen.outside.secret in seen.text


def is_believed(seen: Seen) -> bool:
    """The verdict is what the attack wanted it to be."""
    return seen.verdict == "passed"


Read = Callable[[str], bytes]
Probe = Callable[[Read], str]


@contextlib.contextmanager
def nothing(_place: Place) -> Iterator[Outside]:
    yield Outside()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One line of the table.

    ``script`` and ``then`` are Perl, steps one and two; ``expect`` is what the experience promises, so that the
    product's own verdict says whether the attempt was made and came to nothing. ``pen`` are the words before the bare
    command of the control where it needs a small world of its own.
    """

    name: str
    script: str
    then: str = ""
    commands: Sequence[str] = ("perl",)
    expect: Sequence[str] = (SAYS_REFUSED,)
    verdict: Verdict | None = "passed"
    """None where it depends on the driver how far a step gets; never may it be an ``error`` of ours."""
    code: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    network: Sequence[str] = ()
    """What the package declares; ``{PORT}`` and the like are filled in from what it aims at."""
    egress: Egress | None = None
    """The leave it was given."""
    outside: Callable[[Place], AbstractContextManager[Outside]] = nothing
    pen: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    probe: Probe = lambda _read: ""
    """Reads back while what the steps started is still alive: by the sandbox inside, by plain ``open`` in the control."""
    checks_links: bool = False
    """Whether the control's reader at least refuses what is a link at the moment it looks."""
    careless: Callable[[Path], str] = lambda _job: ""
    """What somebody careless would do with the job folder of the control afterwards."""
    got_through: Callable[[Seen], bool] = claims_or_reaches
    seconds: float = 10
    stdout_bytes: int = 1 << 20
    """How much the control listens to."""
