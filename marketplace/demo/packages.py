"""The packages the demo makes itself: what is recorded, one that lies, one that is private, one that fits nowhere."""

from __future__ import annotations

from pathlib import Path

import yaml

RECORDED = "seal-release"
SOLD = "rotate-tls-certificate"
"""The example that costs something."""
LIAR, PRIVATE, PICKY, SEALED = "lying-backup", "in-house-only", "elsewhere-only", "withdrawn-offer"

SESSION = """\
mkdir -p work/release
cp assets/notes.txt work/release/NOTES.txt
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf work/release-2026.11.tar -C work release
sha256sum work/release-2026.11.tar > work/release-2026.11.sha256
sha256sum -c work/release-2026.11.sha256
"""
"""What acme's agent types while it seals a release for the first time."""

NOTES = "Release 2026.11\n\n- Experiences can be recorded, proven and replayed.\n"

TERMS = """\
# Terms of the demo

You may replay and read the experiences offered under these terms, in any number, inside your organization.
You may not pass them on. They come without warranty. Acme answers questions at hana@acme.example.
"""

_GREETING_STEPS = [
    {
        "id": "write",
        "file": {"write": "work/greeting.txt", "content": "Hello\n"},
        "expect": ["file('work/greeting.txt').text == 'Hello\\n'"],
    }
]


def write_liar(folder: Path) -> Path:
    """Its step prints that all went well, and does nothing."""
    return _write(
        folder,
        "Back up the orders (it does not)",
        permissions={"commands": ["echo"], "write": ["work/**"]},
        steps=[
            {
                "id": "backup",
                "run": ["echo", '{"outcome": "succeeded", "verdict": "passed", "files": ["work/orders.bak"]}'],
                "expect": ["result.exit_code == 0", "file('work/orders.bak').exists"],
            }
        ],
    )


def write_private(folder: Path) -> Path:
    return _write(folder, "Only for people at acme")


def write_sealed(folder: Path) -> Path:
    return _write(folder, "Offered once, then withdrawn")


def write_picky(folder: Path) -> Path:
    """Holds on no machine that can run the demo."""
    return _write(folder, "Only for another kind of machine", conditions={"os.family": "plan9", "tool.openssl": "<0.9"})


def _write(folder: Path, title: str, **parts: object) -> Path:
    document = {
        "experience": "1",
        "name": folder.name,
        "version": "1.0.0",
        "title": title,
        "topics": ["demo"],
        "license": "Apache-2.0",
        "conditions": {"os.family": "linux"},
        "permissions": {"write": ["work/**"]},
        "steps": _GREETING_STEPS,
        "scenarios": [
            {"name": "does it"},
            {"name": "refuses another family", "facts": {"os.family": "plan9"}, "outcome": "refused"},
        ],
        **parts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experience.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / "SKILL.md").write_text(
        f"---\nname: {folder.name}\ndescription: {title}. Made by the demo.\nlicense: Apache-2.0\n---\n\n# {title}\n"
    )
    return folder
