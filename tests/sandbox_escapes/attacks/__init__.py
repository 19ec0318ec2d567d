"""The table of attacks, by what they try."""

from __future__ import annotations

from tests.sandbox_escapes.attack import Attack
from tests.sandbox_escapes.attacks import egress, files, forgery, kernel, network, processes, resources

ATTACKS: list[Attack] = [
    *network.ATTACKS,
    *egress.ATTACKS,
    *files.ATTACKS,
    *forgery.ATTACKS,
    *kernel.ATTACKS,
    *processes.ATTACKS,
    *resources.ATTACKS,
]
