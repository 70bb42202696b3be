"""Shapes in pixels of the upright picture, and the share of each grid cell that they cover."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audit.probes._geometry import View
from audit.probes._images import Unreadable, decode, read_bytes

Points = NDArray[np.float64]  # [n, 2]: x, y
Shares = NDArray[np.float32]  # [h, w]

_STRIPS = 4  # a cell is cut into these


class Shape(Protocol):
    def shares(self, view: View) -> Shares | None:
        """Share of each cell that the shape covers, inside the picture; None where the shape can't be had."""


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """All between two corners, x0, y0, x1, y1."""

    corners: tuple[float, float, float, float]

    def shares(self, view: View) -> Shares:
        left, top, right, bottom = self.corners
        across = _overlap(_axis(np.clip([left, right], 0, view.size[0]), view, 0), view.grid[1])
        down = _overlap(_axis(np.clip([top, bottom], 0, view.size[1]), view, 1), view.grid[0])
        return np.outer(down[:, 0], across[:, 0]).astype(np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Outline:
    """Polygons taken together."""

    rings: tuple[Points, ...]

    def shares(self, view: View) -> Shares:
        placed = [np.column_stack([_axis(ring[:, 0], view, 0), _axis(ring[:, 1], view, 1)]) for ring in self.rings]
        covered = cover(placed, view.grid)
        if view.filled:
            return covered
        # What reaches beyond the picture lies on the border that was added round it.
        return np.minimum(covered, Box((0, 0, *view.size)).shares(view))


@dataclasses.dataclass(frozen=True, slots=True)
class Bitmap:
    """A mask picture: `inside` is bool [H, W], spread over the whole picture that it belongs to."""

    inside: NDArray[np.bool_]

    def shares(self, view: View) -> Shares | None:
        high, wide = self.inside.shape
        step = view.size[0] / wide, view.size[1] / high
        if abs(step[0] / step[1] - 1) > 0.01:
            return None  # other proportions than the picture's: a mask of something else
        across = _overlap(_axis(np.arange(wide + 1) * step[0], view, 0), view.grid[1]).astype(np.float32)
        down = _overlap(_axis(np.arange(high + 1) * step[1], view, 1), view.grid[0]).astype(np.float32)
        return np.asarray(down @ self.inside.astype(np.float32) @ across.T, dtype=np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask picture that is opened when its picture is."""

    path: Path

    def shares(self, view: View) -> Shares | None:
        try:
            return read_mask(self.path).shares(view)
        except Unreadable:
            return None


def read_mask(path: Path) -> Bitmap:
    """A mask picture: lighter than half is inside; where all values are 0 or 1, that is 1. Raises Unreadable."""
    levels = np.asarray(decode(read_bytes(path)).convert("L"))
    return Bitmap(levels >= (128 if levels.max() > 1 else 1))


def hull(points: Points) -> Points:
    """Corners of the convex hull, in order (Andrew's monotone chain)."""
    ordered = sorted(set(map(tuple, points.tolist())))
    return np.array(_chain(ordered) + _chain(ordered[::-1]), dtype=np.float64).reshape(-1, 2)


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The hull's side that turns left all the way, without its last point."""
    side: list[tuple[float, float]] = []
    for x, y in points:
        while len(side) > 1:
            (ax, ay), (bx, by) = side[-2], side[-1]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            side.pop()
        side.append((x, y))
    return side[:-1]


def cover(rings: Iterable[Points], grid: tuple[int, int]) -> Shares:
    """Share of each cell of a (height, width) grid covered by the union of polygons, given in cells.

    Each cell is cut into strips: in each, a side going down adds all that lies to its right, one going up takes it
    away, by the share of the strip's height that it spans and at the middle of that span. Areas are exact so; within
    a strip, a slanted side counts for the cell that its middle lies in. Where polygons share a cell without
    overlapping, their shares add up.
    """
    shares: Shares = np.zeros(grid, dtype=np.float32)
    edges = np.concatenate([_edges(ring) for ring in rings])
    # Only the cells round the polygons are looked at.
    left, top = (max(0, int(np.floor(edges[:, axis].min()))) for axis in (0, 1))
    right, bottom = (min(n, int(np.ceil(edges[:, axis].max()))) for n, axis in ((grid[1], 0), (grid[0], 1)))
    if left >= right or top >= bottom:
        return shares
    wide, count = right - left, (bottom - top) * _STRIPS
    strips = top + np.arange(count)[:, None] / _STRIPS
    low, high = np.minimum(edges[:, 1], edges[:, 3]), np.maximum(edges[:, 1], edges[:, 3])
    begin, end = np.maximum(low, strips), np.minimum(high, strips + 1 / _STRIPS)
    strip, side = np.nonzero(begin < end)
    begin, end = begin[strip, side], end[strip, side]
    x0, y0, x1, y1 = edges[side].T
    x = np.clip(x0 + ((begin + end) / 2 - y0) * (x1 - x0) / (y1 - y0) - left, 0, wide)
    cell = np.minimum(x.astype(np.int64), wide - 1)
    span = (end - begin) * np.where(y1 > y0, _STRIPS, -_STRIPS)
    # Running sums along a strip: the crossed cell gets what lies right of the side, every later one a whole cell.
    at = strip * (wide + 1) + cell
    steps = np.bincount(at, span * (cell + 1 - x), count * (wide + 1))
    steps += np.bincount(at + 1, span * (x - cell), count * (wide + 1))
    filled = np.abs(steps.reshape(count, -1)[:, :wide].cumsum(axis=1))
    shares[top:bottom, left:right] = np.minimum(filled, 1).reshape(-1, _STRIPS, wide).mean(axis=1)
    return shares


def _edges(ring: Points) -> NDArray[np.float64]:
    """[n, 4]: both ends of each side, all rings running the same way round so that they add up."""
    ahead = np.roll(ring, -1, axis=0)
    area = np.sum(ring[:, 0] * ahead[:, 1] - ahead[:, 0] * ring[:, 1])
    return np.hstack([ring, ahead] if area >= 0 else [ahead, ring])


def _axis(pixels: NDArray[np.float64], view: View, axis: int) -> NDArray[np.float64]:
    return pixels * view.scale[axis] + view.shift[axis]


def _overlap(bounds: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """[cells, n]: the length that each cell shares with each of the n intervals between ascending bounds."""
    cell = np.arange(cells)[:, None]
    lengths: NDArray[np.float64] = np.minimum(bounds[1:], cell + 1) - np.maximum(bounds[:-1], cell)
    return np.maximum(lengths, 0)
