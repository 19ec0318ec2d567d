"""Well-known licenses by their SPDX identifier: what they allow in short, in our own words.

The words are a help for the reader. What is agreed is the license itself, which the identifier names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVERY_USE: Final = ("replay", "read", "modify", "derive", "redistribute", "resell", "train")


@dataclass(frozen=True)
class WellKnown:
    """``uses`` is what the license allows without asking; ``summary`` one or two plain sentences."""

    summary: str
    uses: tuple[str, ...] = EVERY_USE


_PERMISSIVE = (
    "You may use, change and pass it on, also for money, as long as you keep the copyright and license notice."
)
_SHARE_ALIKE = (
    "You may use and change it. Whoever you give it to, changed or not, must get the source and the same freedoms."
)
_NOTHING_ASKED = "You may do with it whatever you like; nothing is asked in return."

WELL_KNOWN: Final[dict[str, WellKnown]] = {
    "0BSD": WellKnown(_NOTHING_ASKED),
    "AGPL-3.0-only": WellKnown(_SHARE_ALIKE + " That also holds for those who use your version over a network."),
    "AGPL-3.0-or-later": WellKnown(_SHARE_ALIKE + " That also holds for those who use your version over a network."),
    "Apache-2.0": WellKnown(_PERMISSIVE + " You say what you changed. Patent rights needed to use it are included."),
    "BSD-2-Clause": WellKnown(_PERMISSIVE),
    "BSD-3-Clause": WellKnown(_PERMISSIVE + " You do not advertise with the authors' names."),
    "BSL-1.0": WellKnown(_PERMISSIVE + " Compiled forms need no notice."),
    "CC-BY-4.0": WellKnown(
        "You may use, change and pass it on, also for money, if you name the author and your changes."
    ),
    "CC-BY-NC-4.0": WellKnown(
        "You may use, change and pass it on if you name the author, but not mainly for commercial gain.",
        ("replay", "read", "modify", "derive", "redistribute"),
    ),
    "CC-BY-ND-4.0": WellKnown(
        "You may use it and pass it on unchanged if you name the author.", ("replay", "read", "redistribute", "resell")
    ),
    "CC-BY-SA-4.0": WellKnown(
        "You may use, change and pass it on, also for money, if you name the author and give the same license."
    ),
    "CC0-1.0": WellKnown(_NOTHING_ASKED),
    "EPL-2.0": WellKnown(_SHARE_ALIKE + " Separate modules of your own may have another license."),
    "GPL-2.0-only": WellKnown(_SHARE_ALIKE),
    "GPL-2.0-or-later": WellKnown(_SHARE_ALIKE),
    "GPL-3.0-only": WellKnown(_SHARE_ALIKE),
    "GPL-3.0-or-later": WellKnown(_SHARE_ALIKE),
    "ISC": WellKnown(_PERMISSIVE),
    "LGPL-2.1-or-later": WellKnown(_SHARE_ALIKE + " Works that only use it may have another license."),
    "LGPL-3.0-only": WellKnown(_SHARE_ALIKE + " Works that only use it may have another license."),
    "LGPL-3.0-or-later": WellKnown(_SHARE_ALIKE + " Works that only use it may have another license."),
    "MIT": WellKnown(_PERMISSIVE),
    "MIT-0": WellKnown(_NOTHING_ASKED),
    "MPL-2.0": WellKnown(_SHARE_ALIKE + " That holds file by file; other files may have another license."),
    "Unlicense": WellKnown(_NOTHING_ASKED),
    "Zlib": WellKnown(_PERMISSIVE + " Changed versions are marked as such."),
}


def statement_of(expression: str) -> str:
    """The text of terms that are a license by its SPDX expression and nothing else."""
    lines = [
        f"SPDX-License-Identifier: {expression}",
        "",
        f"The experience is licensed to you under {expression}, as SPDX identifies it. The text published under that",
        "identifier applies as it stands: https://spdx.org/licenses/",
    ]
    known = WELL_KNOWN.get(expression)
    if known is not None:
        lines += ["", "In short, and only as a help for reading:", known.summary]
    return "\n".join(lines)
