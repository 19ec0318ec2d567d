"""Marks that tell whose copy it is: they come off without a trace, and stay when only the header is stripped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_packages import flipped, write_package
from hypothesis import given
from hypothesis import strategies as st

from keiken.package import digest, pack
from keiken.package.archive import read_files
from keiken.package.watermark import SUFFIXES, Mark, carriers, mark_of, marked, original, read_marks, unmarked

SKILL = """---
name: write-greeting
description: Writes a greeting.
---

# Greet

1. Write it.
2. Copy it:

```sh
cp a b
```

~~~
x \\
~~~

    indented = code
A line that goes on \\
to here.
The end.
"""


def symbols(seed: int = 1) -> Iterator[int]:
    return ((seed + number * number) % 4 for number in itertools.count())


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    folder = write_package(tmp_path / "write-greeting")
    (folder / "SKILL.md").write_text(SKILL)
    (folder / "references").mkdir()
    (folder / "references/more.md").write_text("# More\n\nText.\n")
    (folder / "references/spaced.md").write_text("ends with a space \n\nText.\n")
    return pack(folder)


def test_marks_come_off_byte_for_byte_and_the_header_names_the_license(archive: bytes) -> None:
    copy = marked(archive, "license-7", symbols())
    assert copy is not None
    assert digest(copy) != digest(archive)
    assert original(copy) == archive
    assert mark_of(copy) == Mark("license-7", ("SKILL.md", "references/more.md"))
    assert (mark_of(archive), original(archive)) == (None, archive)


def test_only_lines_for_reading_carry(archive: bytes) -> None:
    lines = SKILL.split("\n")
    carrying = [lines[number] for number in carriers(SKILL)]
    assert carrying == ["", "# Greet", "", "1. Write it.", "2. Copy it:", "", "", "", "to here.", "The end."]
    copy = marked(archive, "license-7", symbols())
    assert copy is not None
    before, after = read_files(archive), read_files(copy)
    for path, file in before.items():
        is_marked = path in ("SKILL.md", "references/more.md")
        assert (after[path].content != file.content) == is_marked, path


def test_a_copy_without_its_header_still_tells(archive: bytes) -> None:
    copy = marked(archive, "license-7", symbols(2))
    assert copy is not None
    leaked = (read_files(copy)["SKILL.md"].content or b"").decode()
    assert read_marks(leaked, SKILL) == list(itertools.islice(symbols(2), len(carriers(SKILL))))
    shortened = leaked[leaked.index("# Greet") :].replace("The end.", "Another end.")
    shown = read_marks(shortened, SKILL)
    expected = list(itertools.islice(symbols(2), len(shown)))
    assert sum(mine == theirs for mine, theirs in zip(expected, shown, strict=True)) >= len(shown) - 3
    assert read_marks("Nothing of it.", SKILL).count(None) >= len(shown) - 4


def test_a_damaged_copy_is_not_taken_for_the_published_one(archive: bytes) -> None:
    copy = marked(archive, "license-7", symbols())
    assert copy is not None
    for position in range(len(copy)):
        damaged = flipped(copy, position)
        mark = mark_of(damaged)
        assert original(damaged) != archive or (mark is not None and mark.license != "license-7"), position


def test_what_cannot_carry_is_not_marked(tmp_path: Path) -> None:
    folder = write_package(tmp_path / "write-greeting")
    (folder / "SKILL.md").write_text("---\nname: write-greeting\ndescription: Writes.\n---\nspace \n")
    assert marked(pack(folder), "x", symbols()) is None


@given(st.text(alphabet="ab`~# \\\t\n-", max_size=200), st.lists(st.integers(0, 3), min_size=200, max_size=200))
def test_any_text_is_the_same_without_its_marks(text: str, drawn: list[int]) -> None:
    lines = text.split("\n")
    places = carriers(text)
    bare = unmarked(text)
    assert carriers(bare) == places
    lines = bare.split("\n")
    for number, symbol in zip(places, drawn, strict=False):
        lines[number] += SUFFIXES[symbol]
    assert carriers("\n".join(lines)) == places
    assert unmarked("\n".join(lines)) == bare
