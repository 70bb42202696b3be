"""Does the map change when the network's weights are drawn anew? Top layers first, as Adebayo et al. do it.

Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim: Sanity Checks for Saliency Maps, NeurIPS 2018 (cascading
randomization, Spearman's rank correlation of the maps as they are signed and without signs). What is judged is the size
of the signed maps' correlation: with the last weights of two classes in another order a map is as often turned round as
not, and is the same map. How weights are drawn: `audit.runtimes._redraw`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from audit.errors import ModelError, UsageError
from audit.result import Estimate, TrustLevel
from audit.statistics.paired import mean_over
from audit.trust.sample import filled

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
    """How like itself the map is at each share of the layers, or why the weights can't be changed."""
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
        of_draws = functools.partial(_mean, draws=draws, subjects=sampled.subjects, alpha=alpha)
        found.append(
            TrustLevel(
                layers=layers,
                of=of,
                draws=count,
                likeness=of_draws(np.abs(values)),
                correlation=of_draws(values),
                blank=int(np.isnan(values).sum()),
            )
        )
    return tuple(found)


def _mean(
    values: NDArray[np.float64], *, draws: NDArray[np.int64], subjects: NDArray[np.int64], alpha: float
) -> Estimate:
    """Over the draws; with fewer than all of them there is no interval."""
    import numpy as np

    mean = mean_over(values, draws, alpha)
    people = len(np.unique(subjects[np.isfinite(values)]))
    few = draws.max() + 1 < max(DRAWS)
    return dataclasses.replace(mean, subjects=people, low=None if few else mean.low, high=None if few else mean.high)


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
            size = filled(plan)
            for start in range(0, len(sampled), size):
                some = sampled.take(np.arange(start, min(start + size, len(sampled))))
                maps.append(mapper.maps(model, model.run(some.images), some.images, some.targets))
    finally:
        made.model.close()
    return np.concatenate(maps), made.layers, made.of


def rank_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Spearman's rank correlation of two maps [h, w], equal cells sharing their mean rank.

    NaN where one is the same everywhere, so that it says nothing of the other, or is not finite.
    """
    import numpy as np
    from scipy.stats import rankdata

    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    x, y = (rankdata(one) - (one.size + 1) / 2 for one in (a, b))
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0 else float("nan")
