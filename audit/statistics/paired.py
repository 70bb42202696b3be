"""The mean of one value a picture, in a small sample: Student's t over whose pictures they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audit.result import Estimate
from audit.statistics.estimates import Cells, Groups, Means, interval


def mean_over(values: NDArray[np.float64], whose: NDArray[np.int64], alpha: float) -> Estimate:
    """Mean, and its interval from the delete-one-cluster jackknife with K - 1 degrees of freedom.

    Args:
        values: [N], NaN where a picture does not count.
        whose: [N], the cluster (subject, or draw) of each; values of one cluster hang together.
        alpha: one minus the confidence level.

    Returns:
        The estimate, with the clusters as its subjects; limits are None with fewer than two.
    """
    counts = np.isfinite(values)
    if not counts.any():
        return Estimate(value=None, low=None, high=None, n=0, subjects=0)
    kept, numbers = values[counts, None], np.unique(whose[counts], return_inverse=True)[1]
    cells = Cells(np.zeros(len(kept), dtype=np.int64), numbers.astype(np.int64), 1)
    groups = Groups.of(cells, kept, np.ones_like(kept))
    nobody = np.zeros((1, 1), dtype=bool)  # no other group to borrow a variance from
    low, high = interval(Means.of(groups, nobody, nobody), alpha)
    subjects = int(groups.subjects[0, 0])
    return Estimate(
        value=float(groups.mean[0, 0]),
        low=float(low[0, 0]) if subjects > 1 else None,
        high=float(high[0, 0]) if subjects > 1 else None,
        n=len(kept),
        subjects=subjects,
    )
