"""The maximum statistic written again, slowly: every relabeling one by one, cell by cell, over the pictures themselves.

It shares no line with `audit.statistics`, so that an error would have to be made twice.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

Map = Sequence[float]


def slow_maximum(
    maps: Sequence[Map], groups: Sequence[str], subjects: Sequence[object], strata: dict[str, str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Signed statistic and exact p by group and cell, every group being tested."""
    parts: dict[tuple[object, str], list[Map]] = defaultdict(list)
    for one, group, subject in zip(maps, groups, subjects, strict=True):
        parts[subject, group].append(one)
    cells = list(parts)
    now = [group for _, group in cells]
    seen = _statistics(cells, parts, now, strata)
    largest = [
        max(abs(t) for row in _statistics(cells, parts, labels, strata).values() for t in row)
        for labels in _relabelings(cells, strata)
    ]
    p = {g: [sum(m >= abs(t) - 1e-9 * abs(t) for m in largest) / len(largest) for t in row] for g, row in seen.items()}
    return seen, p


def _relabelings(cells: Sequence[tuple[object, str]], strata: dict[str, str]) -> Iterator[list[str]]:
    """Within a stratum: parts of a subject with several change places with each other, subjects with one likewise."""
    blocks: dict[object, list[int]] = defaultdict(list)
    for place, (subject, group) in enumerate(cells):
        mine = sum(s == subject and strata[g] == strata[group] for s, g in cells)
        blocks[strata[group], subject if mine > 1 else None].append(place)
    ways = [sorted(set(itertools.permutations([cells[p][1] for p in places]))) for places in blocks.values()]
    for chosen in itertools.product(*ways):
        labels = [""] * len(cells)
        for places, given in zip(blocks.values(), chosen, strict=True):
            for place, label in zip(places, given, strict=True):
                labels[place] = label
        yield labels


def _statistics(
    cells: Sequence[tuple[object, str]],
    parts: dict[tuple[object, str], list[Map]],
    labels: Sequence[str],
    strata: dict[str, str],
) -> dict[str, list[float]]:
    found = {}
    for group in sorted(set(labels)):
        own = [parts[c] for c, label in zip(cells, labels, strict=True) if label == group]
        others = [
            parts[c]
            for c, label in zip(cells, labels, strict=True)
            if label != group and strata[label] == strata[group]
        ]
        found[group] = [_of_cell(own, others, cell) for cell in range(len(own[0][0]))]
    return found


def _of_cell(own: Sequence[Sequence[Map]], others: Sequence[Sequence[Map]], cell: int) -> float:
    (m, v), (r, w) = (_mean_and_variance(side, cell) for side in (own, others))
    return (m - r) / math.sqrt(v + w) if v + w > 1e-20 else 0.0


def _mean_and_variance(units: Sequence[Sequence[Map]], cell: int) -> tuple[float, float]:
    count = sum(len(u) for u in units)
    mean = sum(one[cell] for u in units for one in u) / count
    squares = sum(sum(one[cell] - mean for one in u) ** 2 for u in units)
    return mean, squares / count**2 * len(units) / (len(units) - 1)
