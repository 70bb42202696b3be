"""Does the map change when the network's weights are drawn anew? Top layers first, as Adebayo et al. do it.

Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps, NeurIPS 2018 (cascading
randomization, Spearman's rank correlation of the signed maps). How weights are drawn: `audit.runtimes._redraw`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from audit.errors import ModelError, UsageError
from audit.result import TrustLevel
from audit.statistics.paired import mean_over

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.engines import Plan
    from audit.runtimes import Model
    from audit.trust import Sampled
    from audit.trust._passes import Passes

SHARES = (0.0, 0.5, 1.0)  # of the layers, from the top: the last one alone, half of them, all
# One draw of weights may resemble the network by chance, and does so in every picture. So the pictures are dealt out to
# several draws, and the interval is over the draws. All layers decide; the levels before show the way there.
DRAWS = (2, 2, 8)


def levels(plan: Plan, sampled: Sampled, seed: int, alpha: float, passes: Passes) -> tuple[TrustLevel, ...] | str:
    """The mean rank correlation at each share of the layers, or why the weights can't be changed."""
    import numpy as np

    found: list[TrustLevel] = []
    for share, count in zip(SHARES, DRAWS, strict=True):
        draws = np.arange(len(sampled)) % count
        values, layers, of = np.full(len(sampled), np.nan), 0, 0
        for number in range(count):
            mine = np.flatnonzero(draws == number)
            try:
                maps, layers, of = _maps(plan, sampled.take(mine), share, seed * max(DRAWS) + number, passes)
            except (ModelError, UsageError) as error:
                return error.what
            values[mine] = [rank_correlation(a, b) for a, b in zip(sampled.maps[mine], maps, strict=True)]
        people = len(np.unique(sampled.subjects[np.isfinite(values)]))
        mean = dataclasses.replace(mean_over(values, draws, alpha), subjects=people)
        if count < max(DRAWS):
            mean = dataclasses.replace(mean, low=None, high=None)
        found.append(TrustLevel(layers=layers, of=of, draws=count, correlation=mean))
    return tuple(found)


def _maps(
    plan: Plan, sampled: Sampled, share: float, seed: int, passes: Passes
) -> tuple[NDArray[np.float32], int, int]:
    """Maps [n, h, w] of a network with other weights, in how many layers they differ, and of how many."""
    import numpy as np

    assert plan.mapper is not None  # noqa: S101 there are maps to compare with
    made = plan.model.randomized(share, seed)
    try:
        exact = plan.mapper.head is not None
        if exact and made.head is None:
            raise ModelError("with other weights the head is no pool and linear layer any more")
        mapper = dataclasses.replace(plan.mapper, head=made.head if exact else None)
        model: Model = passes.counting(made.model)
        maps = []
        with np.errstate(all="ignore"):  # what other weights make of a picture may be beyond all bounds
            for start in range(0, len(sampled), plan.batch_size):
                some = sampled.take(np.arange(start, min(start + plan.batch_size, len(sampled))))
                maps.append(mapper.maps(model, model.run(some.images), some.images, some.targets))
    finally:
        made.model.close()
    return np.concatenate(maps), made.layers, made.of


def rank_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Spearman's rank correlation of two maps [h, w], equal cells sharing their mean rank.

    0 where one is the same everywhere, so that it says nothing of the other; NaN where one is not finite.
    """
    import numpy as np
    from scipy.stats import rankdata

    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    x, y = (rankdata(one) - (one.size + 1) / 2 for one in (a, b))
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0 else 0.0
