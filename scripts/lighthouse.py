"""Lighthouse on the start page, the search and an experience of this machine's site; exit 0 only if all reach 95.

Needs Node 18.20 or newer, npm and chromium. Lighthouse itself is installed below the data folder, not here. The site
shows what ``make demo`` published; a run of its own web server is measured, without workers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "scripts" / "lighthouse"
GATED = ("performance", "best-practices")
SHOWN = (*GATED, "accessibility", "seo")
ENOUGH = 95
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-background-networking"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="how often each page is measured; the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    for program, found in {"node": shutil.which("node"), "npm": shutil.which("npm"), "chromium": chromium()}.items():
        if found is None:
            sys.exit(f"make lighthouse needs {program}. On Debian: sudo apt-get install nodejs npm chromium")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    sys.path.insert(0, str(PROJECT))
    django.setup()

    from django.conf import settings
    from django.core.management import call_command

    from marketplace.management.commands.services import start_embedded
    from marketplace.supervisor import Stack, free_port

    start_embedded(settings.KEIKEN)
    call_command("migrate", verbosity=0)
    program = installed(settings.KEIKEN.data_dir / "lighthouse")
    port = free_port()
    with Stack(settings.KEIKEN.data_dir / "logs", {**os.environ, "KEIKEN_PORT": str(port)}) as stack:
        stack.start_web("127.0.0.1", port)
        found = {name: measured(program, f"http://127.0.0.1:{port}{path}", options.runs) for name, path in pages()}
    show(found, as_json=options.json)
    if any(scores[category] < ENOUGH for scores in found.values() for category in GATED):
        sys.exit(1)


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-headless-shell")


def pages() -> list[tuple[str, str]]:
    """The three kinds of pages that a stranger sees first."""
    from experiences.models import Experience

    first = Experience.objects.filter(visibility="public", latest__isnull=False).order_by("pk").first()
    if first is None:
        sys.exit("Nothing is published here yet: run 'make demo' first.")
    return [("home", "/"), ("search", "/browse?q=certificate"), ("experience", f"/experiences/{first}")]


def installed(folder: Path) -> Path:
    """Lighthouse's program, installed as the lock file says when it is not there yet."""
    lock = folder / "package-lock.json"
    if not lock.exists() or lock.read_bytes() != (SOURCE / "package-lock.json").read_bytes():
        print(f"installing Lighthouse into {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, folder / name)
        try:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True)
        except subprocess.CalledProcessError:
            lock.unlink()
            raise
    return folder / "node_modules" / ".bin" / "lighthouse"


def measured(program: Path, url: str, runs: int) -> dict[str, float]:
    """The median of each category's score, 0 to 100."""
    print(f"measuring {url}", file=sys.stderr)
    reports = [report(program, url) for _run in range(runs)]
    return {
        name: round(statistics.median(100 * float(item["categories"][name]["score"] or 0) for item in reports), 1)
        for name in SHOWN
    } | {"failing": failing(reports[-1])}  # type: ignore[dict-item]


def report(program: Path, url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        subprocess.run(
            [program, url, "--quiet", f"--only-categories={','.join(SHOWN)}", f"--chrome-flags={FLAGS}"]
            + ["--output=json", f"--output-path={output}"],
            env={**os.environ, "CHROME_PATH": str(chromium())},
            check=True,
        )
        found: dict[str, Any] = json.loads(output.read_text())
        return found


def failing(document: dict[str, Any]) -> list[str]:
    """Which audits cost points, as Lighthouse names them."""
    weighty = {ref["id"] for name in SHOWN for ref in document["categories"][name]["auditRefs"] if ref["weight"]}
    audits = document["audits"]
    return sorted(name for name in weighty if audits[name]["score"] is not None and audits[name]["score"] < 0.9)


def show(found: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'page':12}" + "".join(f"{name:>16}" for name in SHOWN))
    for page, scores in found.items():
        print(f"{page:12}" + "".join(f"{scores[name]:>16.0f}" for name in SHOWN))
        for audit in scores["failing"]:
            print(f"{'':12}  below 0.9: {audit}")


if __name__ == "__main__":
    main()
