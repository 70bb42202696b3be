"""The arithmetic of focus: a batch of maps, a batch of masks of some regions, and where they meet.

All arrays are of one batch of B images on one grid of N cells. Relevance comes as float32, divided by each map's
largest value (0 where an image has no map); numbers of an image leave as float64 [B], NaN where it does not count.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit._grids import resample

# Relevance is ranked in this many steps up to a map's largest value. A border cell of a small map becomes several cells
# of the grid, equal but for the rounding of float32: one step makes them equal. Even, so that a half is a step.
STEPS = 65_534


def scaled(maps: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Maps [B, h, w] divided by their largest value, 0 where there is no map, and which images have one."""
    largest = maps.max(axis=(1, 2), initial=0.0)  # NaN where a cell is
    exists = np.isfinite(largest) & (largest > 0)
    kept = np.where(exists[:, None, None], maps, np.float32(0))
    small: NDArray[np.float32] = np.divide(kept, np.where(exists, largest, np.float32(1))[:, None, None])
    return small, exists


@dataclasses.dataclass(frozen=True, eq=False)
class Relevance:
    """A batch of maps on the regions' grid; what does not depend on a region is worked out once."""

    cells: NDArray[np.float32]  # [B, N]
    exists: NDArray[np.bool_]  # [B]

    @classmethod
    def of(cls, maps: NDArray[np.float32], grid: tuple[int, int]) -> Relevance:
        """Maps [B, h, w] brought to the regions' grid."""
        small, exists = scaled(maps)
        return cls(resample(small, grid).reshape(len(maps), grid[0] * grid[1]), exists)

    @functools.cached_property
    def total(self) -> NDArray[np.float64]:
        return summed(self.cells)

    @functools.cached_property
    def squares(self) -> NDArray[np.float64]:
        return dot(self.cells, self.cells)

    @functools.cached_property
    def steps(self) -> NDArray[np.uint16]:
        """Relevance in STEPS steps up to the largest on this grid."""
        largest = self.cells.max(axis=1, keepdims=True, initial=0.0)
        height = np.divide(STEPS, largest, out=np.zeros_like(largest), where=largest > 0)
        return np.asarray(self.cells * height + np.float32(0.5), dtype=np.uint16)

    @functools.cached_property
    def descending(self) -> NDArray[np.uint16]:
        return np.sort(self.steps, axis=1, kind="stable")[:, ::-1]  # stable: numpy's radix sort, four times as fast

    @functools.cached_property
    def peak(self) -> NDArray[np.float32]:
        """Where the relevance is largest: 1 there, 0 elsewhere."""
        return _marked(self.steps == STEPS)

    @functools.cached_property
    def bright(self) -> NDArray[np.float32]:
        """Where the relevance is at least half of the largest: 1 there, 0 elsewhere."""
        return _marked(self.steps >= STEPS // 2)


@dataclasses.dataclass(frozen=True, eq=False)
class Regions:
    """A batch of masks of R regions: the share of each cell that a region covers, 0 where an image has no such."""

    cells: NDArray[np.float32]  # [R, B, N]
    exists: NDArray[np.bool_]  # [R, B]

    @classmethod
    def of(cls, masks: Sequence[NDArray[np.float32]]) -> Regions:
        """Masks [B, H, W] of each region, NaN where an image lacks it; an empty one counts as lacking."""
        batch, height, width = masks[0].shape
        cells = np.stack(masks).reshape(len(masks), batch, height * width)
        covered = summed(cells)
        exists = np.isfinite(covered) & (covered > 0)
        cells[~exists] = 0
        return cls(cells, exists)

    @functools.cached_property
    def area(self) -> NDArray[np.float64]:
        """How many cells a region covers, [R, B]."""
        return summed(self.cells)

    @functools.cached_property
    def squares(self) -> NDArray[np.float64]:
        return dot(self.cells, self.cells)

    @functools.cached_property
    def fullest(self) -> NDArray[np.float32]:
        """The largest share of a cell that a region covers, [R, B]."""
        return np.asarray(self.cells.max(axis=-1, initial=0.0))


@dataclasses.dataclass(frozen=True, eq=False)
class Meeting:
    """A batch of maps and of R regions. Every method gives float64 [R, B]; the formulas stand with the measures."""

    relevance: Relevance
    regions: Regions

    @functools.cached_property
    def mass(self) -> NDArray[np.float64]:
        return _share(dot(self.relevance.cells, self.regions.cells), self.relevance.total)

    def relevance_mass(self) -> NDArray[np.float64]:
        return self.mass

    def lift(self) -> NDArray[np.float64]:
        return _ratio(self.mass * self.regions.cells.shape[2], self.regions.area)

    def relevance_rank(self) -> NDArray[np.float64]:
        """As many cells as the region has area, those with the largest relevance first. Cells of equal relevance
        share what is left for them evenly, so the order of the cells does not matter."""
        steps, area = self.relevance.steps, self.regions.area
        last = np.clip(np.ceil(area).astype(np.int64) - 1, 0, steps.shape[1] - 1)
        threshold = np.take_along_axis(self.relevance.descending, last.T, axis=1).T
        inside = np.empty_like(area)
        for r, cells in enumerate(self.regions.cells):  # one by one: a mask of cells an image and region is large
            above = _marked(steps > threshold[r, :, None])
            tied = np.flatnonzero(steps == threshold[r, :, None])  # few
            image = tied // steps.shape[1]
            left = _ratio(area[r] - summed(above), np.bincount(image, minlength=len(steps)))
            inside[r] = dot(above, cells) + left * np.bincount(image, cells.flat[tied], minlength=len(steps))
        return _share(inside, area)

    def pointing_game(self) -> NDArray[np.float64]:
        peak = self.relevance.peak
        covered = _ratio(dot(peak, self.regions.cells), summed(peak))
        # A region of less than half a cell fills no cell by half: then the cell that holds most of it is its place.
        return np.where(np.isnan(covered), np.nan, covered >= (0.5 - 1e-5) * self.regions.fullest)

    def region_iou(self) -> NDArray[np.float64]:
        bright = self.relevance.bright
        both = dot(bright, self.regions.cells)
        return _share(both, summed(bright) + self.regions.area - both)

    def attention_iou(self) -> NDArray[np.float64]:
        both, regions = _ratio(self.mass, self.regions.area), self.regions
        a, r = _ratio(self.relevance.squares, self.relevance.total**2), _ratio(regions.squares, regions.area**2)
        return _share(4 * both, a + r + 2 * both)

    def where_both(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN where an image lacks the map or the region."""
        return np.where(self.relevance.exists & self.regions.exists, values, np.nan)


def shares(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Maps [B, h, w] on their own grid, each divided by its sum; NaN where there is no map."""
    small, exists = scaled(maps)
    total = small.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    p: NDArray[np.float64] = np.divide(small, total, out=np.full(small.shape, np.nan), where=exists[:, None, None])
    return p


def overlap(
    first: tuple[NDArray[np.float32], NDArray[np.bool_]], second: tuple[NDArray[np.float32], NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Intersection over union of two batches of maps as `scaled` gives them; NaN where one of the two is no map."""
    (a, one), (b, other) = first, second
    shared, covered = (f(a, b).sum(axis=(1, 2), dtype=np.float64) for f in (np.minimum, np.maximum))
    return np.where(one & other, _share(shared, covered), np.nan)


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of shares [B, h, w] over that of an even map; NaN for a map of one cell, which is always even."""
    cells = p.shape[1] * p.shape[2]
    if cells < 2:
        return np.full(len(p), np.nan)
    information = -(p * np.log(np.where(p == 0, 1.0, p))).sum(axis=(1, 2))
    return np.asarray(np.clip(information / np.log(cells), 0.0, 1.0), dtype=np.float64)


def center(p: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    """Center of mass along the height (axis 1) or the width (axis 2), in shares of that side."""
    return np.asarray(np.vecdot(p.sum(axis=3 - axis), _middles(p.shape[axis])), dtype=np.float64)


def spread(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square distance from the center, each axis in shares of its side."""
    squares = np.zeros(len(p))
    for axis in (1, 2):
        away = _middles(p.shape[axis]) - center(p, axis=axis)[:, None]
        squares += (p.sum(axis=3 - axis) * away**2).sum(axis=1)
    return np.asarray(np.sqrt(squares), dtype=np.float64)


def _middles(cells: int) -> NDArray[np.float64]:
    return (np.arange(cells) + 0.5) / cells


def dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum over the cells of the products, [..., B]."""
    return np.asarray(np.vecdot(a, b), dtype=np.float64)


def summed(cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum over the cells, [..., B]."""
    return np.asarray(cells.sum(axis=-1), dtype=np.float64)


def _marked(cells: NDArray[np.bool_]) -> NDArray[np.float32]:
    return cells.astype(np.float32)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Part over whole, NaN where there is no whole."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan), dtype=np.float64)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ratio that can't leave 0..1 but for the rounding of float32."""
    return np.minimum(np.maximum(_ratio(part, whole), 0.0), 1.0)
