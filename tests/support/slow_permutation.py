"""The 15-image mode written again, slowly: every relabeling one by one, over the pictures themselves.

It shares no line with `audit.statistics`, so that an error would have to be made twice.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence


def slow_permutation(
    values: Sequence[float], groups: Sequence[str | None], subjects: Sequence[object], alpha: float = 0.05
) -> tuple[float | None, float | None]:
    """p and null quantile; None where the mode gives none."""
    pictures: dict[tuple[object, str], list[float]] = defaultdict(list)
    for value, group, subject in zip(values, groups, subjects, strict=True):
        if group is not None and not math.isnan(value):
            pictures[subject, group].append(value)
    cells = list(pictures)
    names = sorted({group for _, group in cells})
    if sum(map(sum, pictures.values())) == 0:
        return None, None
    now = [group for _, group in cells]
    size = {g: (now.count(g), sum(len(pictures[c]) for c in cells if c[1] == g)) for g in names}
    raw = len(set(size.values())) == 1
    if not raw and min(count for count, _ in size.values()) < 2:
        return None, None

    def held(labels: Sequence[str]) -> dict[str, list[list[float]]]:
        return {g: [pictures[c] for c, label in zip(cells, labels, strict=True) if label == g] for g in names}

    def apart(labels: Sequence[str]) -> float:
        means = [_mean(of_group) for of_group in held(labels).values()]
        return min(means) / max(means)

    def extreme(labels: Sequence[str]) -> float:
        if raw:
            return -apart(labels)
        of_group = held(labels)
        return max(_studentized(of_group[i], of_group[j]) for i, j in itertools.combinations(names, 2))

    ways = list(_ways(cells))
    seen = extreme(now)
    found = [extreme(w) for w in ways]
    p = sum(e >= seen or math.isclose(e, seen, rel_tol=1e-9) for e in found) / len(ways)
    ratios = sorted(apart(w) for w in ways)
    # Labelings that divide the cells alike are one way, whatever the parts are called.
    parts = {frozenset(frozenset(k for k, label in enumerate(w) if label == g) for g in names) for w in ways}
    quantile = ratios[int(alpha * len(ratios))] if len(parts) >= 1 / alpha else None
    return p, quantile


def _ways(cells: Sequence[tuple[object, str]]) -> Iterator[list[str]]:
    """Every labeling of the cells that can come about."""
    of_subject: dict[object, list[int]] = defaultdict(list)
    for place, (subject, _) in enumerate(cells):
        of_subject[subject].append(place)
    blocks = [places for places in of_subject.values() if len(places) > 1]
    blocks.append([places[0] for places in of_subject.values() if len(places) == 1])
    turned = [sorted(set(itertools.permutations([cells[p][1] for p in block]))) for block in blocks]
    for choice in itertools.product(*turned):
        labels = [""] * len(cells)
        for block, given in zip(blocks, choice, strict=True):
            for place, label in zip(block, given, strict=True):
                labels[place] = label
        yield labels


def _mean(of_group: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, of_group)) / sum(map(len, of_group))


def _studentized(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    a, b = _mean(one), _mean(other)
    if a == b == 0:
        return 0.0
    if a == 0 or b == 0:
        return math.inf
    spread = max(_jackknife(one) / a**2, 1e-18) + max(_jackknife(other) / b**2, 1e-18)
    gap = abs(math.log(a) - math.log(b))
    return gap / math.sqrt(spread) if gap > 1e-12 else 0.0


def _jackknife(of_group: Sequence[Sequence[float]]) -> float:
    """Variance of the mean from leaving out one subject at a time."""
    left_out = [_mean([s for k, s in enumerate(of_group) if k != out]) for out in range(len(of_group))]
    whole = _mean(of_group)
    return (len(of_group) - 1) / len(of_group) * sum((mean - whole) ** 2 for mean in left_out)
