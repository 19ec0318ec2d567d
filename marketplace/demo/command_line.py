"""One party's ``keiken`` command, as its own computer would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    exit_code: int
    document: Any

    @property
    def code(self) -> str:
        """The stable code of a refusal; empty when there was none."""
        if not isinstance(self.document, dict):
            return ""
        return str(self.document.get("error", {}).get("code", "") or self.document.get("code", ""))


@dataclass(frozen=True)
class CommandLine:
    """``folder`` holds this party's logins, pins, reports and downloads."""

    folder: Path

    def keiken(self, *arguments: str, **environ: str) -> Answer:
        """Run ``keiken … --json`` and read its one document."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        done = subprocess.run(
            [str(Path(sys.executable).parent / "keiken"), *arguments, "--json"],
            cwd=self.folder,
            env={**os.environ, "KEIKEN_CONFIG_DIR": str(self.folder / "config"), **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        try:
            return Answer(done.returncode, json.loads(done.stdout))
        except json.JSONDecodeError:
            message = f"keiken {' '.join(arguments)} gave no JSON: {done.stdout[-500:]}{done.stderr[-1500:]}"
            return Answer(done.returncode, {"error": {"code": "no_json", "message": message}})
