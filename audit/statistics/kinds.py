"""The kinds of disparity: what the values of all groups come to in one figure. Values are [G, M], figures [M]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from audit.statistics.estimates import Floats, divide


def difference(values: Floats) -> Floats:
    """Largest minus smallest."""
    return np.asarray(values.max(axis=0) - values.min(axis=0))


def ratio(values: Floats) -> Floats:
    """Smallest over largest; NaN where all are 0."""
    return divide(values.min(axis=0), values.max(axis=0))


def max_geomean(values: Floats) -> Floats:
    """Largest over the geometric mean of all; NaN where one is 0 (NIST IR 8429, equations 10 and 11)."""
    positive = (values > 0).all(axis=0)
    logs = np.log(np.where(positive, values, 1.0))
    return np.where(positive, np.exp(logs.max(axis=0) - logs.mean(axis=0)), np.nan)


def gini(values: Floats) -> Floats:
    """Sum of |x_i - x_j| over the pairs, over G (G - 1) times the mean; NaN where all are 0.

    Each pair stands twice among all i and j, so this is G / (G - 1) sum over i and j of |x_i - x_j| / (2 G^2 mean): the
    Gini coefficient with the correction for few groups (Howard et al., arXiv 2203.05051).
    """
    first, second = np.triu_indices(len(values), k=1)
    apart = np.abs(values[first] - values[second]).sum(axis=0)
    return divide(apart, len(values) * (len(values) - 1) * values.mean(axis=0))


KINDS: Mapping[str, Callable[[Floats], Floats]] = {
    "difference": difference,
    "ratio": ratio,
    "max_geomean": max_geomean,
    "gini": gini,
}

_ZERO_RATIO = "every group is at 0, so there is no ratio: anything from 0 to 1 is possible"
_ONE_ZERO_RATIO = "a group is at 0, so the ratio is 0: its upper limit is what the counts leave possible"
_NO_GEOMEAN = "so there is no largest value over the geometric mean"
_ZERO_GINI = "every group is at 0, so there is no Gini coefficient"


def note(kind: str, smallest: float, largest: float) -> str | None:
    """What must be said of a figure because of groups at 0."""
    if smallest > 0 or kind == "difference":
        return None
    if kind == "max_geomean":
        return f"{'a' if largest > 0 else 'every'} group is at 0, {_NO_GEOMEAN}"
    if largest > 0:
        return _ONE_ZERO_RATIO if kind == "ratio" else None
    return _ZERO_RATIO if kind == "ratio" else _ZERO_GINI
