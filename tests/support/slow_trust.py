"""The second stage again, slowly, in plain loops: rank correlation, parts painted over, areas under curves."""

from __future__ import annotations

import math
from collections.abc import Sequence


def rank(values: Sequence[float]) -> list[float]:
    """From 1; equal values share the mean of their places."""
    return [1 + sum(other < v for other in values) + (sum(other == v for other in values) - 1) / 2 for v in values]


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    x, y = rank(a), rank(b)
    mx, my = sum(x) / len(x), sum(y) / len(y)
    over = sum((p - mx) * (q - my) for p, q in zip(x, y, strict=True))
    under = math.sqrt(sum((p - mx) ** 2 for p in x) * sum((q - my) ** 2 for q in y))
    return over / under if under else math.nan


def area(shares: Sequence[float], values: Sequence[float]) -> float:
    total = 0.0
    for i in range(len(shares) - 1):
        total += (shares[i + 1] - shares[i]) * (values[i + 1] + values[i]) / 2
    return total


def painted(picture: list[list[list[float]]], cells: set[int], grid: tuple[int, int]) -> list[list[list[float]]]:
    """A picture [C][H][W] with cells of a grid in its mean color."""
    out = []
    for channel in picture:
        height, width = len(channel), len(channel[0])
        mean = sum(map(sum, channel)) / (height * width)
        rows = []
        for y in range(height):
            row = []
            for x in range(width):
                cell = (y * grid[0] // height) * grid[1] + x * grid[1] // width
                row.append(mean if cell in cells else channel[y][x])
            rows.append(row)
        out.append(rows)
    return out
