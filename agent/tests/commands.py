"""The ``keiken`` command for tests: in this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from keiken.cli.main import main

PROGRAM = [sys.executable, "-c", "from keiken.cli.main import main; main()"]


@dataclass(frozen=True)
class Ran:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        return json.loads(self.stdout)

    @property
    def code(self) -> str:
        """The code of a refusal, of the command or of the report."""
        error = self.document.get("error")
        return str(error["code"] if error else self.document.get("code", ""))


def keiken(*arguments: str | Path, **environ: str) -> Ran:
    """Run it here and now."""
    ran = CliRunner().invoke(main, [str(argument) for argument in arguments], env=environ)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return Ran(ran.exit_code, ran.stdout, ran.stderr)


def keiken_json(*arguments: str | Path, **environ: str) -> Ran:
    """With ``--json``: whatever happens, stdout is one document and stderr has no traceback."""
    ran = keiken(*arguments, "--json", **environ)
    assert isinstance(ran.document, dict), ran.stdout
    assert ran.stderr == ""
    if "error" in ran.document:
        assert set(ran.document["error"]) == {"code", "message", "advice", "details"}
        assert ran.exit_code in (1, 3, 4, 5, 130)
    return ran


def process(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start it as a process; ``environ`` adds to the environment."""
    environ = {**os.environ, **options.pop("environ", {})}
    argv = [*PROGRAM, *(str(argument) for argument in arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(argv, env=environ, preexec_fn=_hear_interrupts, **pipes)


def _hear_interrupts() -> None:
    """As a terminal starts it: tests that run in the background may have been started with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
