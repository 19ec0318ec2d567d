"""Every code that the server can refuse with is explained in docs/api.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from accounts.domain import refusals
from marketplace.problems import API_CODES

ROOT = Path(__file__).parents[2]
APPS = ("accounts", "experiences", "licensing", "marketplace")
KINDS = {name for name, kind in vars(refusals).items() if isinstance(kind, type) and issubclass(kind, refusals.Refusal)}
# Functions of ours that make a refusal from a code.
MAKERS = {"_refuse", "_Translated"}


def codes_in(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in KINDS | MAKERS:
                texts = [part.value for part in node.args[:2] if isinstance(part, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", text)}
    return found


def test_every_code_is_explained() -> None:
    explained = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", (ROOT / "docs/api.md").read_text()))
    used = {"not_found", *(code for _kind, code, _advice in API_CODES)}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts and "demo" not in path.parts:
                used |= codes_in(path)
    assert used - explained == set()
