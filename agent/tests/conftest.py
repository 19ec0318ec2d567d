"""Tests about the protocol of sandboxes run with every driver of this machine's own namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sandboxes


@pytest.fixture(scope="module", params=["bubblewrap", "oci"])
def each_driver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The sandboxes that ``sandboxes.opened`` and ``replays`` open meanwhile are this driver's."""
    name = str(request.param)
    with sandboxes.using(name):
        yield name
