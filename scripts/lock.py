"""Compile requirements/*.in into lock files with hashes and without registry addresses."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"


def main() -> None:
    uv = Path(sys.executable).parent / "uv"
    for name in ("bootstrap", "server", "dev", "browser"):
        subprocess.run(
            [uv, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
            + ["--no-annotate", "--upgrade", f"{name}.in", "--output-file", f"{name}.txt", "--quiet"],
            cwd=REQUIREMENTS,
            check=True,
        )


if __name__ == "__main__":
    main()
