"""The methods for maps once more, one image at a time and cell by cell, straight from their formulas.

`a` and `g` are an activation and the gradient of the target's logit, nested lists [C][h][w]; a map is a list of rows.
A function `score` gives the target's logit for another activation or picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tests.support.slow_measures import bilinear

Map = list[list[float]]
Stack = Sequence[Sequence[Sequence[float]]]


def combined(weights: Sequence[float], a: Stack) -> Map:
    return [
        [sum(w * channel[i][j] for w, channel in zip(weights, a, strict=True)) for j in range(len(a[0][0]))]
        for i in range(len(a[0]))
    ]


def clipped(m: Map) -> Map:
    return [[max(0.0, v) for v in row] for row in m]


def numbers(channel: Sequence[Sequence[float]]) -> list[float]:
    return [v for row in channel for v in row]


def class_weight(weight: Sequence[Sequence[float]], target: int) -> list[float]:
    """A single logit: class 1 is it, class 0 its negative."""
    if len(weight) > 1:
        return list(weight[target])
    return [w if target == 1 else -w for w in weight[0]]


def cam(a: Stack, weight: Sequence[Sequence[float]], target: int) -> Map:
    return combined(class_weight(weight, target), a)


def gradcam(a: Stack, g: Stack) -> Map:
    return clipped(combined([sum(numbers(c)) / len(numbers(c)) for c in g], a))


def gradcam_plusplus(a: Stack, g: Stack) -> Map:
    weights = []
    for ac, gc in zip(a, g, strict=True):
        total, weight = sum(numbers(ac)), 0.0
        for d in numbers(gc):
            below = 2 * d**2 + total * d**3
            if d != 0 and below != 0:
                weight += d**2 / below * max(0.0, d)
        weights.append(weight)
    return clipped(combined(weights, a))


def layercam(a: Stack, g: Stack) -> Map:
    return clipped(
        [
            [sum(max(0.0, gc[i][j]) * ac[i][j] for ac, gc in zip(a, g, strict=True)) for j in range(len(a[0][0]))]
            for i in range(len(a[0]))
        ]
    )


def hirescam(a: Stack, g: Stack) -> Map:
    return [
        [sum(gc[i][j] * ac[i][j] for ac, gc in zip(a, g, strict=True)) for j in range(len(a[0][0]))]
        for i in range(len(a[0]))
    ]


def xgradcam(a: Stack, g: Stack) -> Map:
    weights = []
    for ac, gc in zip(a, g, strict=True):
        total = sum(numbers(ac))
        heard = sum(x * d for x, d in zip(numbers(ac), numbers(gc), strict=True))
        weights.append(heard / total if total != 0 else 0.0)
    return clipped(combined(weights, a))


def ablationcam(a: Stack, score: Callable[[Stack], float]) -> Map:
    whole, weights = score(a), []
    for c in range(len(a)):
        without = [[[0.0] * len(row) for row in channel] if k == c else channel for k, channel in enumerate(a)]
        weights.append((whole - score(without)) / (abs(whole) or 1.0))
    return clipped(combined(weights, a))


def scorecam(a: Stack, picture: Stack, score: Callable[[Stack], float]) -> Map:
    """`picture` is [channels][H][W]."""
    scores = []
    for channel in a:
        mask = bilinear(channel, len(picture[0]), len(picture[0][0]))
        low, high = min(numbers(mask)), max(numbers(mask))
        if high == low:
            scores.append(None)
            continue
        seen = [
            [[(mask[i][j] - low) / (high - low) * v for j, v in enumerate(row)] for i, row in enumerate(color)]
            for color in picture
        ]
        scores.append(score(seen))
    largest = max((s for s in scores if s is not None), default=0.0)
    powers = [0.0 if s is None else math.exp(s - largest) for s in scores]
    return clipped(combined([p / (sum(powers) or 1.0) for p in powers], a))


def eigencam(a: Stack) -> Map:
    """By power iteration on the channels' products with each other."""
    rows = [numbers(channel) for channel in a]
    products = [[sum(x * y for x, y in zip(r, s, strict=True)) for s in rows] for r in rows]
    v = [1.0 + 0.01 * k for k in range(len(a))]
    for _ in range(5000):
        v = [sum(p * x for p, x in zip(row, v, strict=True)) for row in products]
        length = math.sqrt(sum(x * x for x in v)) or 1.0
        v = [x / length for x in v]
    made = combined(v, a)
    return [[-x for x in row] for row in made] if sum(numbers(made)) < 0 else made


def two_rows(weight: Sequence[Sequence[float]]) -> list[list[float]]:
    """A single logit is that of class 1 less that of class 0."""
    return [list(row) for row in weight] if len(weight) > 1 else [[0.0] * len(weight[0]), list(weight[0])]


def infocam(a: Stack, weight: Sequence[Sequence[float]], target: int) -> Map:
    rows = two_rows(weight)
    others = [row for k, row in enumerate(rows) if k != target]
    return combined([w - sum(o[c] for o in others) / len(others) for c, w in enumerate(rows[target])], a)


def infocam_plus(a: Stack, weight: Sequence[Sequence[float]], bias: Sequence[float], target: int) -> Map:
    rows, offsets = two_rows(weight), list(bias) if len(weight) > 1 else [0.0, bias[0]]
    means = [sum(numbers(channel)) / len(numbers(channel)) for channel in a]
    logits = [o + sum(w * m for w, m in zip(row, means, strict=True)) for row, o in zip(rows, offsets, strict=True)]
    least = min((k for k in range(len(rows)) if k != target), key=lambda k: logits[k])
    return combined([w - o for w, o in zip(rows[target], rows[least], strict=True)], a)


def cosine(x: Sequence[float], y: Sequence[float]) -> float:
    length = math.sqrt(sum(v * v for v in x)) * math.sqrt(sum(v * v for v in y))
    return sum(v * w for v, w in zip(x, y, strict=True)) / length if length else 0.0


def lpcam(a: Stack, own: Sequence[Sequence[float]], around: Sequence[Sequence[float]]) -> Map:
    """With prototypes found already."""
    made = []
    for i in range(len(a[0])):
        made.append([])
        for j in range(len(a[0][0])):
            cell = [channel[i][j] for channel in a]
            value = sum(cosine(cell, p) for p in own) / len(own)
            made[-1].append(value - (sum(cosine(cell, p) for p in around) / len(around) if around else 0.0))
    return made
