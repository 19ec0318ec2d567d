"""Which sandboxes the attacks are tried in."""

from __future__ import annotations

import warnings

import pytest

from keiken.sandbox import drivers
from tests.sandbox_escapes.conftest import working_drivers


def test_the_default_driver_works_and_the_others_work_or_are_named() -> None:
    known = drivers()
    default = next(iter(known))
    assert known[default].probe().working, known[default].probe().problem
    for name in set(known) - set(working_drivers()):
        warnings.warn(pytest.PytestWarning(f"not attacked here: {name}: {known[name].probe().problem}"), stacklevel=1)
    assert default in working_drivers()
