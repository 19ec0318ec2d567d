"""Try the package rules on the files of others: every Agent Skill below a folder is read, checked and packed.

Each skill's files are read under the package limits, its ``SKILL.md`` is parsed, and with the smallest possible
``experience.yaml`` beside it the folder is checked, packed and unpacked again, byte for byte. Nothing of it is kept.
Exit code 1 when anything but a refusal with a code came of it.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from keiken.errors import PackageError
from keiken.package import load, pack, unpack
from keiken.package.skill import FILE, parse

MANIFEST = """\
experience: "1"
name: {name}
version: 0.0.1
title: Tried and not kept
summary: The smallest experience that can stand beside somebody else's skill.
license: Apache-2.0
permissions:
  commands: ["true"]
steps:
  - id: nothing
    title: Do nothing
    run: ["true"]
    expect: ["result.exit_code == 0"]
"""


def tried(folder: Path) -> str:
    """What became of one skill: ``accepted``, or the code it was refused with."""
    try:
        skill = parse((folder / FILE).read_bytes())
        with tempfile.TemporaryDirectory() as temporary:
            copy = Path(temporary) / skill.name
            shutil.copytree(folder, copy, symlinks=True)
            (copy / "experience.yaml").write_text(MANIFEST.format(name=skill.name))
            load(copy)
            packed = pack(copy)
            again = unpack(packed, Path(temporary) / "again").folder
            if pack(again) != packed:
                raise AssertionError("packed again, it is another archive")
    except PackageError as error:
        print(f"  {folder.name}: {error}")
        return error.code
    return "accepted"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    corpus: Path = parser.parse_args().corpus
    results: Counter[str] = Counter()
    for path in sorted(corpus.rglob(FILE)):
        try:
            results[tried(path.parent)] += 1
        except Exception:
            traceback.print_exc()
            results["bug"] += 1
    skills = sum(results.values())
    others = sorted({path.relative_to(corpus).parts[0] for path in corpus.rglob("*") if path.is_file()})
    print(f"{skills} Agent Skills:", ", ".join(f"{count} {name}" for name, count in results.most_common()) or "none")
    read = {path.relative_to(corpus).parts[0] for path in corpus.rglob(FILE)}
    print("Not read, for nothing here imports them:", ", ".join(name for name in others if name not in read) or "none")
    return 1 if results["bug"] or not skills else 0


if __name__ == "__main__":
    raise SystemExit(main())
