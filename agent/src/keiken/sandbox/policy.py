"""Which drivers may be used, in which order, and how well they must confine: the operator's choice, not a package's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from keiken.errors import UsageError
from keiken.i18n import _
from keiken.sandbox.protocol import Egress, Isolation

ORDER_VARIABLE, MINIMUM_VARIABLE = "KEIKEN_SANDBOX_DRIVERS", "KEIKEN_MIN_ISOLATION"
DRIVERS = ("bubblewrap", "oci")
"""Used where nothing else is said."""
KNOWN = (*DRIVERS, "kubernetes")
"""A cluster is only ever used by who names it."""
STRENGTH: tuple[Isolation, ...] = ("none", "landlock", "namespace", "usermode-kernel", "virtual-machine")
"""From the weakest to the strongest."""
assert set(STRENGTH) == set(get_args(Isolation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The first of ``order`` that works and confines at least as well as ``minimum`` is used."""

    order: tuple[str, ...] = DRIVERS
    minimum: Isolation = "namespace"
    egress: Egress | None = None
    """The operator's leave for every package to reach what it declares."""

    def admits(self, isolation: Isolation) -> bool:
        return STRENGTH.index(isolation) >= STRENGTH.index(self.minimum)


def policy_of(order: str, minimum: str) -> Policy:
    """From the texts of the two variables; an empty one is the default. Raises UsageError naming the variable."""
    names = tuple(dict.fromkeys(name.strip() for name in order.split(",") if name.strip())) or DRIVERS
    for name in names:
        if name not in KNOWN:
            raise UsageError(
                "unknown_driver",
                _("{variable} names '{name}', which is no sandbox driver.").format(variable=ORDER_VARIABLE, name=name),
                _("Use one of: {names}.").format(names=", ".join(KNOWN)),
            )
    level = minimum.strip() or "namespace"
    # Nothing below namespaces is a sandbox, so no policy can ask for less.
    levels = STRENGTH[STRENGTH.index("namespace") :]
    for known in levels:
        if level == known:
            return Policy(order=names, minimum=known)
    raise UsageError(
        "unknown_isolation",
        _("{variable} is '{level}', which is no isolation level.").format(variable=MINIMUM_VARIABLE, level=level),
        _("Use one of: {names}.").format(names=", ".join(levels)),
    )


def policy_here(environ: Mapping[str, str] = os.environ) -> Policy:
    """The policy of this machine's environment variables. Raises UsageError."""
    return policy_of(environ.get(ORDER_VARIABLE, ""), environ.get(MINIMUM_VARIABLE, ""))
