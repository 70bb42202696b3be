"""k-means by cosine, the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST = 8192  # cells looked at, evenly over all: more tell no more, and cost
_ROUNDS = 50


def clustered(cells: NDArray[np.float32], clusters: int) -> NDArray[np.float32]:
    """Centers [n, C] of at most `clusters` clusters of cells [N, C]: means of cells that are alike by their cosine.

    Cells without length are left out. Begins with k-means++ from a fixed seed and ends when nothing moves any more.
    """
    import numpy as np

    cells = cells[np.linspace(0, len(cells) - 1, min(len(cells), _MOST)).astype(np.int64)]
    length = np.linalg.norm(cells, axis=1)
    cells, unit = cells[length > 0], cells[length > 0] / length[length > 0, None]
    if not len(cells):
        return cells
    centers = unit[_first(unit, clusters)]
    nearest = np.full(len(unit), -1)
    for _ in range(_ROUNDS):
        now = (unit @ centers.T).argmax(axis=1)
        if (now == nearest).all():
            break
        nearest = now
        found, nearest = np.unique(nearest, return_inverse=True)  # a center that nothing is near to is dropped
        means = np.stack([cells[nearest == k].mean(axis=0) for k in range(len(found))])
        centers = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.stack([cells[nearest == k].mean(axis=0) for k in range(nearest.max() + 1)])


def _first(unit: NDArray[np.float32], clusters: int) -> list[int]:
    """Where to begin: cells drawn one after the other, those far from all drawn before more likely."""
    import numpy as np

    random = np.random.default_rng(0)
    drawn = [int(random.integers(len(unit)))]
    far = np.ones(len(unit))
    while len(drawn) < clusters:
        far = np.minimum(far, np.maximum(1 - unit @ unit[drawn[-1]].astype(np.float64), 0))
        far[far < 1e-6] = 0  # the same direction but for rounding
        if not far.sum():
            break
        drawn.append(int(random.choice(len(unit), p=far / far.sum())))
    return drawn
