"""Collect the texts people read, merge them into the Japanese catalogs and compile these; ``--check`` only looks.

``--check`` fails when a catalog is malformed or its compiled form is not of the committed text, and tells how many
texts still wait for a translation.

Needs GNU gettext (Debian: gettext). Catalogs: ``locale/ja`` for the site, the agent's own in its package.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation.template import templatize

PROJECT = Path(__file__).resolve().parent.parent
KEYWORDS = ("_", "gettext", "gettext_lazy", "ngettext:1,2", "ngettext_lazy:1,2", "pgettext:1c,2", "pgettext_lazy:1c,2")


@dataclass(frozen=True)
class Domain:
    name: str
    sources: tuple[str, ...]
    """Folders whose Python files and templates hold texts."""
    catalog: Path


DOMAINS = (
    Domain(
        "django",
        ("accounts", "experiences", "licensing", "marketplace", "templates"),
        PROJECT / "locale/ja/LC_MESSAGES/django.po",
    ),
    Domain("keiken", ("agent/src/keiken",), PROJECT / "agent/src/keiken/locale/ja/LC_MESSAGES/keiken.po"),
)


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=PROJECT)


def texts_of(domain: Domain, folder: Path) -> Iterable[Path]:
    """Copies of the sources that xgettext can read as Python; templates are turned into such."""
    for top in domain.sources:
        for path in sorted((PROJECT / top).rglob("*")):
            if path.suffix not in (".py", ".html", ".txt") or "migrations" in path.parts or not path.is_file():
                continue
            if path.suffix != ".py" and domain.name != "django":
                continue
            copy = folder / path.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8")
            copy.write_text(text if path.suffix == ".py" else templatize(text), encoding="utf-8")
            yield copy


def collect(domain: Domain, target: Path) -> None:
    """Write the merged catalog to ``target``."""
    with tempfile.TemporaryDirectory() as temporary:
        files = list(texts_of(domain, Path(temporary)))
        template = Path(temporary) / "messages.pot"
        run(
            "xgettext", "--language=Python", "--from-code=UTF-8", "--no-location", "--sort-output", "--force-po",
            *(f"--keyword={keyword}" for keyword in KEYWORDS), f"--output={template}", *files,
        )  # fmt: skip
        text = template.read_text(encoding="utf-8").replace("charset=CHARSET", "charset=UTF-8")
        # A date would make every run a change.
        template.write_text("\n".join(line for line in text.split("\n") if "POT-Creation-Date" not in line))
        source = domain.catalog if domain.catalog.exists() else template
        run(
            "msgmerge", "--quiet", "--no-fuzzy-matching", "--no-location", "--sort-output", "--no-wrap",
            "--lang=ja", f"--output-file={target}", source, template,
        )  # fmt: skip
        run(
            "msgattrib",
            "--no-obsolete",
            "--no-location",
            "--no-wrap",
            "--sort-output",
            f"--output-file={target}",
            target,
        )


def missing(catalog: Path) -> list[str]:
    """The texts without a translation."""
    found = subprocess.run(
        ["msgattrib", "--untranslated", "--no-wrap", catalog], check=True, capture_output=True, text=True
    )
    return [line for line in found.stdout.split("\n") if line.startswith("msgid ") and line != 'msgid ""']


def check(domain: Domain) -> list[str]:
    """What is wrong with the committed catalog, in sentences; empty when it is whole and compiled."""
    with tempfile.TemporaryDirectory() as temporary:
        merged, compiled = Path(temporary) / "merged.po", Path(temporary) / "merged.mo"
        collect(domain, merged)
        print(f"{domain.name}: {len(missing(merged))} texts wait for a translation")
        problems = []
        run("msgfmt", "--check-format", f"--output-file={compiled}", domain.catalog)
        binary = domain.catalog.with_suffix(".mo")
        if not binary.exists() or binary.read_bytes() != compiled.read_bytes():
            problems.append(f"{domain.name}: the compiled catalog is out of date; run make messages")
        return problems


def update(domain: Domain) -> None:
    domain.catalog.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        merged = Path(temporary) / "merged.po"
        collect(domain, merged)
        shutil.copyfile(merged, domain.catalog)
    run("msgfmt", "--check-format", f"--output-file={domain.catalog.with_suffix('.mo')}", domain.catalog)
    print(f"{domain.name}: {len(missing(domain.catalog))} texts to translate in {domain.catalog.relative_to(PROJECT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if shutil.which("xgettext") is None:
        print("GNU gettext is missing. On Debian and Ubuntu: apt-get install gettext", file=sys.stderr)
        return 1
    settings.configure(USE_I18N=True)
    if not arguments.check:
        for domain in DOMAINS:
            update(domain)
        return 0
    problems = [problem for domain in DOMAINS for problem in check(domain)]
    print("\n".join(problems) or "The catalogs are whole.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
