"""Every driver that works on this machine, once for each attack."""

from __future__ import annotations

import functools

import pytest

from keiken.sandbox import drivers
from keiken.sandbox.protocol import Driver


@functools.cache
def working_drivers() -> dict[str, Driver]:
    """The default driver always, others where their self-test holds; ``test_drivers.py`` tells of the rest."""
    known = drivers()
    default = next(iter(known))
    return {name: driver for name, driver in known.items() if name == default or driver.probe().working}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "driver" in metafunc.fixturenames:
        found = working_drivers()
        metafunc.parametrize("driver", list(found.values()), ids=list(found))
