"""Where many rising functions cross zero, all at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

_STEPS = 100  # 5 to 10 are enough for a smooth function; bisection alone needs 45
_CLOSE = 1e-13  # of x, or of 1 where x is smaller


def rising_root(f: Callable[[Floats, Index], Floats], low: Floats, high: Floats) -> Floats:
    """The x in [low, high] at which each of N functions reaches 0: `low` or `high` where it does not in between.

    Chandrupatla's method (Advances in Engineering Software 28, 1997): inverse quadratic interpolation where it can be
    trusted, bisection elsewhere; functions that are done are not called again.

    Args:
        f: from x [n] and the numbers [n] of the functions meant to their values [n].
        low, high: [N].
    """
    left = np.arange(len(low))
    at_low, at_high = f(low, left), f(high, left)
    found = np.where(at_low >= 0, low, high)
    left = np.flatnonzero((at_low < 0) & (at_high > 0))
    a, fa, b, fb = high[left], at_high[left], low[left], at_low[left]
    t = np.full(len(left), 0.5)
    for _ in range(_STEPS):
        if not len(left):
            break
        x = a + t * (b - a)
        fx = f(x, left)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        best = np.where(np.abs(fa) < np.abs(fb), a, b)
        found[left] = best
        close = _CLOSE * np.maximum(1.0, np.abs(best)) / np.abs(b - a)
        on = (close < 0.5) & (fa != 0)
        left, a, fa, b, fb, c, fc, close = (v[on] for v in (left, a, fa, b, fb, c, fc, close))
        t = np.clip(_step(a, fa, b, fb, c, fc), close, 1 - close)
    return found


def _step(a: Floats, fa: Floats, b: Floats, fb: Floats, c: Floats, fc: Floats) -> Floats:
    """How far to go from a to b: where the quadratic in f through three points has its root, else half."""
    xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
    trusted = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
    fa, fb, fc = (np.where(trusted, v, other) for v, other in ((fa, 1.0), (fb, 2.0), (fc, 3.0)))
    t = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    return np.where(trusted, t, 0.5)
