"""How far a share found in few trials may be from the true one."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Lower and upper bound of the 95 % score interval (Wilson 1927) of ``hits`` of ``n``; (0, 1) when n is 0.

    Unlike the textbook interval it stays within 0 and 1 and is honest for few trials: 1 of 1 gives 0.21 to 1.
    """
    if n == 0:
        return 0.0, 1.0
    share, square = hits / n, Z95 * Z95
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    # Rounding must not move the ends of 0 of n and n of n away from 0 and 1.
    lower = 0.0 if hits == 0 else max(0.0, middle - half)
    upper = 1.0 if hits == n else min(1.0, middle + half)
    return lower, upper
