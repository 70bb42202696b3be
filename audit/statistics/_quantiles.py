"""Critical values: Student's t, and the studentized range behind simultaneous intervals.

scipy takes 0.1 to 0.3 s for one quantile of the studentized range; an audit needs hundreds of thousands. So a
table of ln(c / t) made once by `_make_quantiles.py` is interpolated: c the simultaneous critical value
q(1 - alpha; G, df) / sqrt 2, t the plain one. That ratio is 1 for two groups, bounded over all df, and smooth
enough for polynomials through Chebyshev points in ln G, 1 / (1 + df / 4) and ln z, z the normal quantile of alpha.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audit.statistics._roots import rising_root

Floats = NDArray[np.float64]
Index = NDArray[np.int64]

TABLE = Path(__file__).with_suffix(".npy")
MOST_GROUPS = 100
LEAST_DF = 0.25  # fewer degrees of freedom count as this many: the interval says nothing by then
ALPHAS = (1e-12, 0.99)
_HALF = 4.0  # df in the middle of its scale
_SIZES = (14, 20, 24)  # points over G, df and alpha


def plain(alpha: Floats | float, df: Floats) -> Floats:
    """t(1 - alpha/2; df), two-sided Student's t."""
    from scipy.special import ndtri, stdtrit

    tail = np.broadcast_to(np.asarray(alpha) / 2, np.broadcast_shapes(np.shape(alpha), np.shape(df)))
    finite = np.where(np.isinf(df), 1.0, np.maximum(df, LEAST_DF))
    return np.asarray(-np.where(np.isinf(df), ndtri(tail), stdtrit(finite, tail)), dtype=np.float64)


def simultaneous(alpha: float, groups: int, df: Floats) -> Floats:
    """q(1 - alpha; groups, df) / sqrt 2: the critical value for all pairs of 2 to 100 groups together."""
    curve = _over_df(alpha, groups)
    points = _points(_SIZES[1], 0.0, _scaled_df(LEAST_DF))
    scaled = _scaled_df(np.maximum(df, LEAST_DF))
    return np.asarray(plain(alpha, df) * np.exp(_weights(points, scaled) @ curve), dtype=np.float64)


def tail(critical: Floats | float, groups: int, df: Floats | float) -> Floats:
    """P(studentized range of `groups` means > critical sqrt 2): the p of a simultaneous critical value.

    The inverse of `simultaneous`, from the same table, so that an interval and its p can't disagree. From 1e-12, which
    stands for everything smaller, to 1 at a critical value of 0; above 0.99 on a straight line to there.

    Args:
        critical: 0 or more; infinity gives the smallest p.
        groups: 2 to 100.
        df: degrees of freedom, broadcast against the critical values.
    """
    from scipy.special import ndtr, stdtr

    wide, freedom = np.broadcast_arrays(np.asarray(critical, dtype=np.float64), np.asarray(df, dtype=np.float64))
    c, d = wide.ravel(), np.maximum(freedom.ravel(), LEAST_DF)
    if groups == 2:
        return np.asarray(np.clip(2 * stdtr(d, -c), ALPHAS[0], 1.0)).reshape(wide.shape)
    points = _points(_SIZES[2], *_scaled_alphas())
    curves = _weights(_points(_SIZES[1], 0.0, _scaled_df(LEAST_DF)), _scaled_df(d)) @ _of_groups(groups)

    def log_critical(x: Floats, which: Index) -> Floats:
        share = np.einsum("na,na->n", _weights(points, x), curves[which])
        return np.asarray(np.log(plain(2 * ndtr(-np.exp(x)), d[which])) + share)

    least, most = (np.full(len(c), end) for end in _scaled_alphas())
    first = np.exp(log_critical(least, np.arange(len(c))))
    inside = np.log(np.maximum(c, first))
    found = rising_root(lambda x, which: log_critical(x, which) - inside[which], least, most)
    p = np.where(c < first, 1 - (1 - ALPHAS[1]) * c / first, 2 * ndtr(-np.exp(found)))
    return np.where(np.isnan(c), np.nan, p).reshape(wide.shape)


def groups() -> Floats:
    """The table's first axis; the sizes in between need not be whole."""
    return np.exp(_points(_SIZES[0], np.log(2.0), np.log(MOST_GROUPS)))


def dfs() -> Floats:
    """The second axis, from infinity down."""
    scaled = _points(_SIZES[1], 0.0, _scaled_df(LEAST_DF))
    return np.array([np.inf if v == 0 else _HALF * (1 / v - 1) for v in scaled])


def alphas() -> Floats:
    """The third axis."""
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(-np.exp(_points(_SIZES[2], *_scaled_alphas()))))


@functools.lru_cache(maxsize=256)
def _over_df(alpha: float, groups: int) -> Floats:
    """ln(c / t) at the table's df, for one alpha and number of groups."""
    by_alpha = _weights(_points(_SIZES[2], *_scaled_alphas()), _scaled_alpha(np.clip(alpha, *ALPHAS)))
    return np.asarray(_of_groups(groups) @ by_alpha)


@functools.lru_cache(maxsize=MOST_GROUPS)
def _of_groups(groups: int) -> Floats:
    """ln(c / t) at the table's df and alphas, for one number of groups."""
    if not 2 <= groups <= MOST_GROUPS:
        raise ValueError(f"the table holds 2 to {MOST_GROUPS} groups, not {groups}")
    if groups == 2:
        return np.zeros(_SIZES[1:])
    by_group = _weights(_points(_SIZES[0], np.log(2.0), np.log(MOST_GROUPS)), np.log(groups))
    return np.asarray(np.einsum("g,gda->da", by_group, np.load(TABLE)))


def _scaled_df(df: Floats | float) -> Floats:
    return np.asarray(1 / (1 + np.asarray(df) / _HALF))


def _scaled_alpha(alpha: Floats | float) -> Floats:
    from scipy.special import ndtri

    return np.asarray(np.log(-ndtri(np.asarray(alpha) / 2)))


def _scaled_alphas() -> tuple[float, float]:
    return float(_scaled_alpha(ALPHAS[1])), float(_scaled_alpha(ALPHAS[0]))


def _points(size: int, low: float | Floats, high: float | Floats) -> Floats:
    """Chebyshev points of the second kind on [low, high], ends included."""
    return np.asarray(low + (high - low) * np.sin(np.linspace(0, np.pi / 2, size)) ** 2)


def _weights(points: Floats, x: Floats | float) -> Floats:
    """What each point's value counts for at x: barycentric interpolation, [*x.shape, points]."""
    signs = np.where(np.arange(len(points)) % 2, -1.0, 1.0)
    signs[[0, -1]] /= 2
    away = np.asarray(x)[..., None] - points
    hit = away == 0
    share = np.where(hit, 0.0, signs / np.where(hit, 1.0, away))
    share = np.where(hit.any(axis=-1, keepdims=True), hit, share)
    return np.asarray(share / share.sum(axis=-1, keepdims=True))
