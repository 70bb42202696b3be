"""Does the answer hang on what the map points at? Deletion and insertion against a random order of the same cells.

Source: Petsiuk, Das, Saenko: RISE, BMVC 2018. Their pictures lose pixels one by one; here they lose cells of the map's
own grid in a few steps, and what is lost is painted over with the picture's own mean color, so that its brightness
stays. The area under the curve is by trapezoids.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from audit.result import Estimate, TrustCurves
from audit.statistics.paired import mean_over
from audit.trust.sample import filled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.engines import Plan
    from audit.trust import Sampled
    from audit.trust._passes import Passes

STEPS = 4  # between the whole picture and the empty one
PARTS = 3 * STEPS + 1  # pictures that are made of one: three orders, and nothing left


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """By how much the map's order beats a random one, and the mean curves."""

    deletion: Estimate
    insertion: Estimate
    curves: TrustCurves


def answers(plan: Plan, sampled: Sampled, seed: int, passes: Passes) -> NDArray[np.float64]:
    """Deletion, insertion and random curve of every picture, [n, 3, STEPS + 2]; NaN where the model gives none.

    One random order serves both: cells added in it are cells taken away in its reverse, which is as random.
    """
    import numpy as np

    inner = shares(sampled.maps.shape[1] * sampled.maps.shape[2])[1:-1]
    rng = np.random.default_rng([seed, 1])
    pictures = (one for at in range(len(sampled)) for one in _parts(plan, sampled, at, inner, rng))
    size, model = filled(plan), passes.counting(plan.model)
    outputs = []
    while batch := list(itertools.islice(pictures, size)):  # whole batches, whosever pictures they are
        outputs.append(model.run(np.stack(batch)).outputs)
    scores = plan.task.decide(np.concatenate(outputs), plan.output).scores
    p = scores[np.arange(len(scores)), np.repeat(sampled.targets, PARTS)].reshape(-1, PARTS)
    whole, empty = sampled.scores[:, None], p[:, -1:]
    deleted, inserted, random = p[:, :-1].reshape(-1, 3, STEPS).transpose(1, 0, 2)
    rows = ((whole, deleted, empty), (empty, inserted, whole), (whole, random, empty))
    return np.stack([np.hstack(row) for row in rows], axis=1)


def shares(cells: int) -> NDArray[np.int64]:
    """How many cells of a map are gone at each step, from none to all."""
    import numpy as np

    return np.round(np.linspace(0, cells, STEPS + 2)).astype(np.int64)


def curves(seen: NDArray[np.float64], cells: int, subjects: NDArray[np.int64], alpha: float) -> Parts:
    """Areas under the curves of `answers`, as paired differences: positive where the map knows better."""
    import numpy as np

    x = shares(cells) / cells
    areas = np.asarray(np.trapezoid(seen, x, axis=2))
    deletion, insertion, random = areas.T
    means = seen.mean(axis=0).tolist()
    return Parts(
        deletion=mean_over(random - deletion, subjects, alpha),
        insertion=mean_over(insertion - random, subjects, alpha),
        curves=TrustCurves(
            shares=tuple(x.tolist()),
            deletion=tuple(means[0]),
            insertion=tuple(means[1]),
            random=tuple(means[2]),
        ),
    )


def _parts(
    plan: Plan, sampled: Sampled, at: int, inner: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[NDArray[Any]]:
    """One picture without parts of it: three orders, then nothing left."""
    cells = sampled.maps[at]
    order, chance = by_map(cells, rng), rng.permutation(cells.size)
    gone = [*(order[:k] for k in inner), *(order[k:] for k in inner), *(chance[:k] for k in inner), order]
    for taken in gone:
        yield without(sampled.images[at], taken, cells.shape, plan.input.layout)


def by_map(cells: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the cells of a map [h, w], the largest first; chance decides between equal ones."""
    import numpy as np

    flat = cells.reshape(-1)
    return np.lexsort((rng.random(flat.size), -flat))


def without(picture: NDArray[Any], cells: NDArray[np.int64], grid: tuple[int, ...], layout: str) -> NDArray[Any]:
    """A copy of a picture, [C, H, W] or in the layout NHWC [H, W, C], some cells of a grid over it painted over with
    the mean of each of its channels."""
    import numpy as np

    last = layout == "NHWC"
    seen = np.moveaxis(picture, -1, 0) if last else picture
    covered = np.zeros(grid, dtype=bool)
    covered.reshape(-1)[cells] = True
    rows, columns = (np.arange(n) * wide // n for n, wide in zip(seen.shape[1:], grid, strict=True))
    mean = seen.mean(axis=(1, 2), dtype=np.float64).astype(picture.dtype)
    painted = np.where(covered[rows][:, columns], mean[:, None, None], seen)
    return np.moveaxis(painted, 0, -1) if last else painted
