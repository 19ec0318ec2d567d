"""The patterns of ``permissions.write``: ``*`` within a name, ``**`` over any number of folders."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(pattern: str, path: str) -> bool:
    """Whether the whole path matches; ``work/**`` matches everything below ``work`` but not ``work`` itself.

    Takes time proportional to the two lengths multiplied, whatever the pattern.
    """
    parts, names = pattern.split("/"), path.split("/")
    # reached[i]: the first i names are matched by the parts so far.
    reached = [True] + [False] * len(names)
    for index, part in enumerate(parts):
        if part == "**":
            first = next((i for i, ok in enumerate(reached) if ok), len(names) + 1)
            least = first + 1 if index == len(parts) - 1 else first
            reached = [i >= least for i in range(len(names) + 1)]
        else:
            reached = [False] + [reached[i] and fnmatchcase(names[i], part) for i in range(len(names))]
    return reached[-1]
