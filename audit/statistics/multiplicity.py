"""Many tests at once: p adjusted so that looking at many does not by itself find something."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def holm(p: Floats) -> Floats:
    """Holm's step-down: adjusted p at most alpha flag anything falsely with a chance of at most alpha, whatever hangs
    together with what (Holm 1979). [T] in, [T] out."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _in_place(order, steps)


def benjamini_hochberg(p: Floats) -> Floats:
    """Benjamini and Hochberg's step-up: of what has an adjusted p of at most alpha, on average at most the share alpha
    is flagged falsely, for independent and for positively dependent tests (1995, 2001). [T] in, [T] out."""
    order = np.argsort(p, kind="stable")
    # The factor first: the last one is then exactly 1, and no adjusted p falls below its own by rounding.
    ranked = p[order] * (len(p) / np.arange(1, len(p) + 1))
    steps = np.minimum.accumulate(ranked[::-1])[::-1]
    return _in_place(order, steps)


def _in_place(order: NDArray[np.int64], steps: Floats) -> Floats:
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1.0, steps)
    return adjusted
