"""The measures once more, one image at a time and cell by cell, straight from their formulas.

A map and a region are lists of rows on one grid; an image that does not count gives NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Grid = Sequence[Sequence[float]]
NAN = math.nan


def bilinear(small: Grid, height: int, width: int) -> list[list[float]]:
    """A map on a finer grid: linear between the centers of its cells, edges held."""
    rows, columns = len(small), len(small[0])

    def place(i: int, cells: int, wanted: int) -> tuple[int, int, float]:
        at = min(max((i + 0.5) * cells / wanted - 0.5, 0.0), cells - 1.0)
        low = math.floor(at)
        return low, min(low + 1, cells - 1), at - low

    fine = []
    for i in range(height):
        y0, y1, v = place(i, rows, height)
        line = []
        for j in range(width):
            x0, x1, u = place(j, columns, width)
            above = (1 - u) * small[y0][x0] + u * small[y0][x1]
            below = (1 - u) * small[y1][x0] + u * small[y1][x1]
            line.append((1 - v) * above + v * below)
        fine.append(line)
    return fine


def pairs(relevance: Grid, region: Grid) -> Iterator[tuple[float, float]]:
    for a_row, r_row in zip(relevance, region, strict=True):
        yield from zip(a_row, r_row, strict=True)


def usable(relevance: Grid, region: Grid) -> bool:
    """There is a map, and there is a region."""
    both = list(pairs(relevance, region))
    return all(math.isfinite(a) and math.isfinite(r) for a, r in both) and sum(a for a, _ in both) > 0 < sum(
        r for _, r in both
    )


def relevance_mass(relevance: Grid, region: Grid) -> float:
    if not usable(relevance, region):
        return NAN
    inside = total = 0.0
    for a, r in pairs(relevance, region):
        inside += a * r
        total += a
    return inside / total


def lift(relevance: Grid, region: Grid) -> float:
    shares = [r for _, r in pairs(relevance, region)]
    return relevance_mass(relevance, region) / (sum(shares) / len(shares)) if usable(relevance, region) else NAN


def relevance_rank(relevance: Grid, region: Grid) -> float:
    """Hand out the region's area to the cells, largest relevance first, evenly among equals."""
    if not usable(relevance, region):
        return NAN
    cells = list(pairs(relevance, region))
    area = left = sum(r for _, r in cells)
    inside = 0.0
    for value in sorted({a for a, _ in cells}, reverse=True):
        equals = [r for a, r in cells if a == value]
        each = min(1.0, left / len(equals))
        inside += each * sum(equals)
        left -= each * len(equals)
    return inside / area


def pointing_game(relevance: Grid, region: Grid) -> float:
    if not usable(relevance, region):
        return NAN
    largest = max(a for a, _ in pairs(relevance, region))
    there = [r for a, r in pairs(relevance, region) if a == largest]
    fullest = max(r for _, r in pairs(relevance, region))
    return float(sum(there) / len(there) >= 0.5 * fullest)


def region_iou(relevance: Grid, region: Grid) -> float:
    if not usable(relevance, region):
        return NAN
    largest = max(a for a, _ in pairs(relevance, region))
    smaller = larger = 0.0
    for a, r in pairs(relevance, region):
        bright = 1.0 if a >= 0.5 * largest else 0.0
        smaller += min(bright, r)
        larger += max(bright, r)
    return smaller / larger


def attention_iou(relevance: Grid, region: Grid) -> float:
    if not usable(relevance, region):
        return NAN
    all_a = sum(a for a, _ in pairs(relevance, region))
    all_r = sum(r for _, r in pairs(relevance, region))
    above = below = 0.0
    for a, r in pairs(relevance, region):
        above += (a / all_a) * (r / all_r)
        below += ((a / all_a + r / all_r) / 2) ** 2
    return above / below


def shares(relevance: Grid) -> Iterator[tuple[float, float, float]]:
    """(share, x, y) of each cell, x and y in shares of the sides; nothing where there is no map."""
    total = sum(map(sum, relevance))
    if not (math.isfinite(total) and total > 0):
        return
    for i, row in enumerate(relevance):
        for j, a in enumerate(row):
            yield a / total, (j + 0.5) / len(row), (i + 0.5) / len(relevance)


def entropy(relevance: Grid) -> float:
    cells = list(shares(relevance))
    if len(cells) < 2:
        return NAN
    return -sum(p * math.log(p) for p, _, _ in cells if p > 0) / math.log(len(cells))


def center_x(relevance: Grid) -> float:
    cells = list(shares(relevance))
    return sum(p * x for p, x, _ in cells) if cells else NAN


def center_y(relevance: Grid) -> float:
    cells = list(shares(relevance))
    return sum(p * y for p, _, y in cells) if cells else NAN


def spread(relevance: Grid) -> float:
    cells = list(shares(relevance))
    if not cells:
        return NAN
    x0, y0 = center_x(relevance), center_y(relevance)
    return math.sqrt(sum(p * ((x - x0) ** 2 + (y - y0) ** 2) for p, x, y in cells))


def class_overlap(first: Grid, second: Grid) -> float:
    largest = [max(a for row in m for a in row) for m in (first, second)]
    if not all(math.isfinite(v) and v > 0 for v in largest):
        return NAN
    smaller = larger = 0.0
    for a, b in pairs(first, second):
        smaller += min(a / largest[0], b / largest[1])
        larger += max(a / largest[0], b / largest[1])
    return smaller / larger


def evidence(signed: Grid, region: Grid, sign: int) -> float:
    """Place by place on the grid on which both map and region have whole cells."""
    if not all(math.isfinite(r) for row in region for r in row) or not sum(map(sum, region)):
        return NAN
    height, width = math.lcm(len(signed), len(region)), math.lcm(len(signed[0]), len(region[0]))
    total = 0.0
    for i in range(height):
        for j in range(width):
            e = signed[i * len(signed) // height][j * len(signed[0]) // width]
            r = region[i * len(region) // height][j * len(region[0]) // width]
            total += max(sign * e, 0.0) * r if math.isfinite(e) else NAN
    return total / (height * width)


BY_REGION = {
    "relevance_mass": relevance_mass,
    "lift": lift,
    "relevance_rank": relevance_rank,
    "pointing_game": pointing_game,
    "region_iou": region_iou,
    "attention_iou": attention_iou,
}
OF_MAP = {"entropy": entropy, "spread": spread, "center_x": center_x, "center_y": center_y}


def rate(name: str, label: int, decision: int, positive: int) -> float:
    """One image's part in a rate: 1, 0, or NaN where it does not count. -1: no label, no answer."""
    if name == "failure_rate":
        return 1.0 if decision == -1 else 0.0
    if name == "unbiased_rate":
        return NAN if label == -1 else 1.0 if decision == label else 0.0
    if decision == -1:
        return NAN
    if name == "selection_rate":
        return 1.0 if decision == positive else 0.0
    if label == -1:
        return NAN
    if name == "wrong_label_rate":
        return 1.0 if decision != label else 0.0
    is_positive, said_positive = label == positive, decision == positive
    condition, event = {
        "false_positive_rate": (not is_positive, said_positive),
        "false_negative_rate": (is_positive, not said_positive),
        "true_positive_rate": (is_positive, said_positive),
        "true_negative_rate": (not is_positive, not said_positive),
    }[name]
    return (1.0 if event else 0.0) if condition else NAN


def brier_score(label: int, scores: Sequence[float]) -> float:
    if label == -1 or not all(map(math.isfinite, scores)):
        return NAN
    total = 0.0
    for k, p in enumerate(scores):
        total += (p - (1.0 if k == label else 0.0)) ** 2
    return total / 2 if len(scores) == 2 else total
