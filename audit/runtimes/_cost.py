"""What a network spends its time on: multiply-adds of convolutions, matrix products and attention, by the shapes seen.

Everything else (normalization, non-linearities, pooling, sums) is left out, as is custom: it is a few percent of the
arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Shape = Sequence[int]


def convolution(out: Shape, weight: Shape) -> int:
    """Each number that comes out is a sum over a window of the input; weight [O, I / groups, kh, kw]."""
    return math.prod(out) * math.prod(weight[1:])


def transposed(into: Shape, weight: Shape) -> int:
    """Each number that goes in is spread over a window of the output; weight [I, O / groups, kh, kw]."""
    return math.prod(into) * math.prod(weight[1:])


def product(inner: int, out: Shape) -> int:
    """Each number that comes out is a sum over the axis that both factors share."""
    return math.prod(out) * inner


def attention(query: Shape, key: Shape, value: Shape) -> int:
    """Scores of every query with every key, then sums of values by them; heads in an axis of their own or side by
    side in the last one, which comes to the same."""
    keys = key[-2]
    return keys * math.prod(query) + keys * math.prod(query[:-1]) * value[-1]


def einsum(equation: str, shapes: Sequence[Shape]) -> int:
    """One step for every combination of indices; 0 for an equation that does not name them all."""
    terms = equation.replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            return 0
        sizes |= dict(zip(term, shape, strict=True))
    return math.prod(sizes.values()) if len(terms) > 1 else 0


def shares(places: Sequence[int], work: Mapping[int, int]) -> tuple[float | None, ...]:
    """The share of all work that falls behind the layer before and up to this one.

    Args:
        places: of the layers in the graph, in order of execution.
        work: multiply-adds by place.
    """
    total = sum(work.values())
    if not total:
        return (None,) * len(places)
    before = (-1, *places)
    return tuple(
        sum(spent for place, spent in work.items() if low < place <= high) / total
        for low, high in zip(before, places, strict=False)
    )
