"""Makes `_quantiles.npy`, the table behind `_quantiles.py`.

Run by hand, half a minute: `python -m audit.statistics._make_quantiles`.

The studentized range of G means with df degrees of freedom is W / s: W the range of G standard normals, s^2 an
independent chi-square over its df. Both tails are integrated here directly, which works for a real-valued G and for
df below 1 and is accurate far out in the tail. Entry [i, j, k] is ln(c / t): c the simultaneous critical value
q(1 - alpha; G, df) / sqrt 2, t the plain one, at the axes' Chebyshev points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.statistics import _quantiles

Floats = NDArray[np.float64]

_STEP = 0.02  # of ln w: the tail of the range is smooth on this scale
_FAR = 50.0  # largest w of the grid: a tail of e^-600
_SCALES = 3000  # points over the distribution of s


def log_grid() -> Floats:
    """Points of ln w on which the tail of the range is taken."""
    return np.arange(np.log(1e-4), np.log(_FAR), _STEP)


def range_tail(groups: float, w: Floats) -> Floats:
    """The log of P(W > w) for the range of `groups` standard normals, accurate however small it is.

    P = G * integral of phi(z) (a^(G-1) - (a - b)^(G-1)), a and b the normal tails above z and above z + w.
    """
    from scipy.special import log_ndtr

    z = np.linspace(-38.0, 12.0, 1501)[None, :]
    above, beyond = log_ndtr(-z), log_ndtr(-(z + w[:, None]))
    with np.errstate(divide="ignore"):  # nothing lost: ln 0 adds nothing to the sum
        lost = np.log(-np.expm1((groups - 1) * np.log1p(-np.exp(np.minimum(beyond - above, -1e-15)))))
    density = -z * z / 2 - np.log(2 * np.pi) / 2
    terms = np.log(groups) + density + (groups - 1) * above + lost
    peak = terms.max(axis=1, keepdims=True)
    total: Floats = np.log(np.exp(terms - peak).sum(axis=1) * (z[0, 1] - z[0, 0])) + peak[:, 0]
    return np.minimum(total, 0.0)


def critical(tail: tuple[Floats, Floats], df: float, alphas: Floats) -> Floats:
    """The log of q(1 - alpha; G, df) for each alpha, from the tail of W on a grid of ln w."""
    from scipy.interpolate import CubicSpline
    from scipy.special import logsumexp
    from scipy.stats import chi2

    log_w, log_p = tail
    spline = CubicSpline(log_w, log_p)

    def log_tail(x: Floats) -> Floats:
        inside: Floats = np.where(x <= log_w[0], 0.0, spline(np.clip(x, log_w[0], log_w[-1])))
        return inside

    if np.isinf(df):
        log_q, log_alpha = log_w, log_p
    else:
        low = 0.5 * np.log(chi2.ppf(1e-20, df) / df)
        high = 0.5 * np.log(chi2.isf(1e-25, df) / df)
        y = np.linspace(low, high, _SCALES)
        weight = chi2.logpdf(df * np.exp(2 * y), df) + 2 * y
        weight -= logsumexp(weight)
        far = np.log(_FAR) + 33 / df  # the tail falls as q^-df: this is past 1e-12
        log_q = np.concatenate([np.arange(np.log(0.005), np.log(_FAR), _STEP), np.linspace(np.log(_FAR), far, 400)[1:]])
        log_alpha = np.array([logsumexp(weight + log_tail(x + y)) for x in log_q])
    falling = np.concatenate([[True], np.diff(log_alpha) < -1e-12]) & (log_alpha < -1e-9) & (log_alpha > -60)
    inverse = CubicSpline(log_alpha[falling][::-1], log_q[falling][::-1])
    return np.asarray(inverse(np.log(alphas)), dtype=np.float64)


def make() -> Floats:
    """The whole table, [groups, df, alpha]."""
    alphas, dfs = _quantiles.alphas(), _quantiles.dfs()
    log_w = log_grid()
    plain = np.log(_quantiles.plain(alphas[None, :], dfs[:, None]))
    table = np.empty((len(_quantiles.groups()), len(dfs), len(alphas)))
    for i, groups in enumerate(_quantiles.groups()):
        tail = (log_w, range_tail(groups, np.exp(log_w)))
        for j, df in enumerate(dfs):
            table[i, j] = critical(tail, df, alphas) - np.log(2) / 2 - plain[j]
    return table


if __name__ == "__main__":
    np.save(_quantiles.TABLE, make())
