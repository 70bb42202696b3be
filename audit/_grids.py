"""Maps brought to another number of cells."""

from __future__ import annotations

import functools
from typing import cast

import numpy as np
from numpy.typing import NDArray


@functools.lru_cache(maxsize=16)
def resampling(cells: int, wanted: int) -> NDArray[np.float32]:
    """Matrix [wanted, cells] that brings a line of cells to another number of cells.

    Linear between the cells' centers, edges held; where cells get fewer, the triangle widens with the step, so that
    no cell is passed over.
    """
    centers = (np.arange(wanted) + 0.5) * cells / wanted - 0.5
    reach = max(1.0, cells / wanted)
    weights = np.maximum(0.0, 1.0 - np.abs(centers[:, None] - np.arange(cells)) / reach)
    matrix: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)  # it is shared by every caller
    return matrix


def resample(maps: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Maps [B, h, w] on another grid: [B, H, W]."""
    _, height, width = maps.shape
    down, across = resampling(height, grid[0]), resampling(width, grid[1])
    return cast("NDArray[np.float32]", np.matmul(down, np.matmul(maps, across.T)))
