"""An argument vector as one line of a shell, for people to read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

_PLAIN: Final = re.compile(r"^[\w@%+=:,./-]*(\$\{\{[^}]*\}\}[\w@%+=:,./-]*)*$")


def command_line(argv: Sequence[str]) -> str:
    """Quoted where a shell would need it, except around what a parameter takes the place of."""
    return " ".join(part if part and _PLAIN.match(part) else shlex.quote(part) for part in argv)
