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


def covered(masks: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """The share of each cell of another grid that masks [B, H, W] cover: [B, h, w]. Means over the picture stay."""
    _, height, width = masks.shape
    down, across = _overlaps(height, grid[0]), _overlaps(width, grid[1])
    return cast("NDArray[np.float32]", np.matmul(down, np.matmul(masks, across.T)))


@functools.lru_cache(maxsize=16)
def _overlaps(cells: int, wanted: int) -> NDArray[np.float32]:
    """Matrix [wanted, cells]: the mean over each wanted cell of a line of cells that are even inside."""
    matrix: NDArray[np.float32] = (parts(cells, wanted) * (wanted / cells)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def parts(cells: int, wanted: int) -> NDArray[np.float64]:
    """Matrix [wanted, cells]: the part of each cell of a line that lies in each of the wanted ones."""
    edges, at = np.arange(wanted + 1) * (cells / wanted), np.arange(cells)
    inside = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return np.asarray(np.clip(inside, 0.0, 1.0))
