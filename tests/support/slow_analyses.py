"""The analyses written again, slowly: plain loops, the whole statistic computed again without each subject.

It shares no line with `audit.analyses` or `audit.statistics`, so that an error would have to be made twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Row = tuple[Any, ...]


def jackknife_variance(
    rows: Sequence[Row], subjects: Sequence[object], statistic: Callable[[Sequence[Row]], float | None]
) -> float:
    """Sum over subjects of (T - T without the subject)^2 (S - 1) / S."""
    people = sorted(set(subjects), key=str)
    whole = statistic(rows)
    total = 0.0
    for person in people:
        rest = statistic([row for row, of in zip(rows, subjects, strict=True) if of != person])
        if rest is not None and whole is not None:
            total += (whole - rest) ** 2 * (len(people) - 1) / len(people)
    return total


def area(rows: Sequence[Row]) -> float | None:
    """Rows are (label is the class, score): the share of pairs in the right order, ties half."""
    positive = [score for label, score in rows if label]
    negative = [score for label, score in rows if not label]
    if not positive or not negative:
        return None
    good = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return good / (len(positive) * len(negative))


def bin_of(confidence: float, everybody: Sequence[float], bins: int) -> int:
    """By the share of all images that are less sure: bins of equal size, equal numbers together."""
    return math.floor(bins * sum(other < confidence for other in everybody) / len(everybody))


def squared_calibration(rows: Sequence[Row]) -> float | None:
    """Rows are (bin, subject, confidence - right): the mean over images of the bin's squared gap, from pairs of images
    of different subjects only."""
    over, images = 0.0, 0
    for bin_number in {row[0] for row in rows}:
        inside = [row for row in rows if row[0] == bin_number]
        products = [a[2] * b[2] for a in inside for b in inside if a[1] != b[1]]
        if products:
            over += len(inside) * sum(products) / len(products)
            images += len(inside)
    return over / images if images else None


def people_behind(rows: Sequence[Row], subjects: Sequence[object]) -> float:
    """The least of four: people on either side of the pairs in the right order, and of those in the wrong, as Kish
    counts them."""
    found = []
    for side in (True, False):
        for wanted in (True, False):
            pairs: dict[object, float] = {}
            for (label, score), subject in zip(rows, subjects, strict=True):
                if label != side:
                    continue
                for other_label, other in rows:
                    if other_label == side:
                        continue
                    right = 0.5 if score == other else float((score > other) == side)
                    pairs[subject] = pairs.get(subject, 0.0) + (right if wanted else 1 - right)
            squares = sum(v * v for v in pairs.values())
            found.append(sum(pairs.values()) ** 2 / squares if squares else 0.0)
    return min(found)
