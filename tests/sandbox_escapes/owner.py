"""A worker of the test's own that proves one attack in a named driver, for a test that kills it meanwhile."""

from __future__ import annotations

import sys
from pathlib import Path

from keiken.package import load
from keiken.replay.prove import prove
from keiken.sandbox import drivers, environments
from keiken.sandbox.protocol import Limits


def main(driver: str, folder: str) -> None:
    made = load(Path(folder))
    prove(
        made,
        made.manifest.scenarios[0],
        driver=drivers()[driver],
        environment=environments.get_or_local("debian-12"),
        limits=Limits(wall_seconds=60, memory_mib=96, pids=32, work_mib=8),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
