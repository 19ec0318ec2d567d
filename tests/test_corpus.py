"""``make corpus``: skills of others under our package rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "scripts/corpus.py"


def skill(folder: Path, front: str) -> None:
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(f"---\n{front}---\n# How\n")


def tried(corpus: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT, corpus], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_each_skill_is_packed_or_refused_with_a_code(tmp_path: Path) -> None:
    skill(tmp_path / "skills/good", "name: good\ndescription: Does it.\n")
    skill(tmp_path / "skills/bad", "name: bad\n")
    skill(tmp_path / "skills/odd", "name: odd\ndescription: [a, b]\n")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/one.yaml").write_text("a: 1\n")
    code, said = tried(tmp_path)
    assert code == 0
    assert "3 Agent Skills: 2 skill_invalid, 1 accepted\n" in said
    assert "Not read, for nothing here imports them: flows\n" in said
    assert list((tmp_path / "skills/good").iterdir()) == [tmp_path / "skills/good/SKILL.md"]


def test_a_folder_without_skills_is_no_success(tmp_path: Path) -> None:
    assert tried(tmp_path) == (1, "0 Agent Skills: none\nNot read, for nothing here imports them: none\n")
