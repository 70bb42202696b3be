"""What a handful of images can see: shares simulated beforehand, and the row that comes nearest to the images at hand.

Simulated by `python -m tests.benchmarks.bench_few_images` (2,000 runs a figure, so give or take 2 points): groups of
equal size, one image a subject, gamma-distributed activations, one group's lower than the others'; flagged is p < 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from audit.result import GroupEstimate

LOWER = (10, 20, 30, 50)  # percent

# (groups, subjects a group): coefficient of variation: flagged in so many of 100 runs, for each of LOWER
_FLAGGED: Mapping[tuple[int, int], Mapping[float, tuple[int, int, int, int]]] = {
    (2, 3): {0.1: (0, 0, 0, 0), 0.2: (0, 0, 0, 0), 0.3: (0, 0, 0, 0), 0.5: (0, 0, 0, 0)},
    (2, 5): {0.1: (29, 85, 100, 100), 0.2: (10, 32, 66, 99), 0.3: (7, 17, 37, 86), 0.5: (5, 7, 13, 43)},
    (2, 10): {0.1: (60, 100, 100, 100), 0.2: (20, 65, 97, 100), 0.3: (12, 35, 70, 100), 0.5: (7, 16, 33, 84)},
    (2, 20): {0.1: (90, 100, 100, 100), 0.2: (35, 94, 100, 100), 0.3: (18, 64, 96, 100), 0.5: (11, 29, 60, 99)},
    (3, 3): {0.1: (15, 51, 85, 100), 0.2: (7, 18, 34, 84), 0.3: (6, 9, 19, 55), 0.5: (5, 7, 9, 23)},
    (3, 5): {0.1: (29, 88, 100, 100), 0.2: (10, 34, 69, 100), 0.3: (8, 16, 39, 91), 0.5: (6, 9, 15, 48)},
    (3, 10): {0.1: (61, 100, 100, 100), 0.2: (18, 67, 97, 100), 0.3: (12, 36, 73, 100), 0.5: (7, 15, 33, 86)},
    (3, 20): {0.1: (92, 100, 100, 100), 0.2: (37, 95, 100, 100), 0.3: (18, 64, 97, 100), 0.5: (9, 26, 60, 99)},
    (5, 3): {0.1: (16, 61, 94, 100), 0.2: (8, 18, 42, 95), 0.3: (6, 9, 18, 63), 0.5: (5, 6, 9, 24)},
    (5, 5): {0.1: (28, 91, 100, 100), 0.2: (10, 32, 72, 100), 0.3: (7, 15, 37, 93), 0.5: (6, 8, 13, 47)},
    (5, 10): {0.1: (63, 100, 100, 100), 0.2: (16, 66, 98, 100), 0.3: (9, 35, 73, 100), 0.5: (6, 12, 29, 85)},
    (5, 20): {0.1: (93, 100, 100, 100), 0.2: (34, 96, 100, 100), 0.3: (15, 63, 97, 100), 0.5: (9, 24, 57, 100)},
}


def seen(groups: Sequence[GroupEstimate], alpha: float) -> str:
    """What groups of this number, size and spread can show, in plain words; "" where their spread can't be told.

    The simulated row is the nearest with no more groups, no more subjects a group and no less variation, so that it
    does not promise too much or too little by much.
    """
    variation = coefficient_of_variation(groups, alpha)
    if variation is None:
        return ""
    measured = f"Within a group the subjects' activations vary by about {_percent(variation)} of their mean."
    number = max(g for g, _ in _FLAGGED if g <= max(2, len(groups)))
    fewest = min(g.subjects for g in groups)
    size = max(n for g, n in _FLAGGED if g == number and n <= max(3, fewest))
    row = _FLAGGED[number, size]
    near = next((cv for cv in row if variation <= 1.1 * cv), None)
    if near is None:
        return f"{measured} That is more than was simulated ({_percent(max(row))}): only a very large difference shows."
    shares = [f"{lower}\u00a0% lower in {share}" for lower, share in zip(LOWER, row[near], strict=True)]
    bound = ", at best" if fewest < size else ""
    return (
        f"{measured} In simulations of {number} groups of {size} subjects that vary by {_percent(near)}, a group with "
        f"lower activation than the others was flagged in so many of 100 runs{bound}: {', '.join(shares)}."
    )


def coefficient_of_variation(groups: Sequence[GroupEstimate], alpha: float) -> float | None:
    """Of the subjects' values within a group, pooled over the groups; from the groups' own t intervals."""
    from scipy.special import stdtrit

    squares, freedom = 0.0, 0
    for group in groups:
        if group.value and group.high is not None and group.subjects > 1:
            error = (group.high - group.value) / float(stdtrit(group.subjects - 1, 1 - alpha / 2))
            squares += (group.subjects - 1) * group.subjects * (error / group.value) ** 2
            freedom += group.subjects - 1
    return math.sqrt(squares / freedom) if freedom else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"
