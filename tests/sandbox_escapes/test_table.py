"""The table in the documentation and the attacks say the same."""

from __future__ import annotations

import re
from collections import Counter

from marketplace.config import PROJECT
from tests.sandbox_escapes.attacks import ATTACKS

_PAGE = (PROJECT / "docs" / "sandbox.md").read_text(encoding="utf-8")


def _rows() -> list[list[str]]:
    """The cells of each line of the table of what code inside may not do, without its head."""
    table = _PAGE.partition("## What code inside may not do")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert "attacks" in lines[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_each_line_of_the_table_is_attacked() -> None:
    rows = _rows()
    assert len(rows) >= 20
    assert [row[0] for row in rows if len(row) != 5 or not re.findall(r"`(\w+)`", row[4])] == []


def test_each_attack_stands_in_one_line_of_the_table_and_the_table_names_no_others() -> None:
    named = Counter(name for row in _rows() for name in re.findall(r"`(\w+)`", row[4]))
    assert named == Counter(attack.name for attack in ATTACKS)


def test_the_tests_that_the_table_names_exist() -> None:
    folders = (PROJECT / "agent" / "tests", PROJECT / "tests" / "sandbox_escapes")
    files = [path for folder in folders for path in folder.glob("test_*.py")]
    known = {path.name for path in files}
    known |= {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    named = {name for row in _rows() for name in re.findall(r"`(test_[\w.]+)`", row[3])}
    assert named
    assert named - known == set()


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 45
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
