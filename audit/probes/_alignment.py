"""Landmarks bring faces to the same place, so that maps of many pictures can be laid over each other.

Each face's points are fitted to the mean shape by shift, rotation and one zoom (generalized Procrustes analysis,
Gower 1975). Points are complex numbers here: a similarity is z -> a z + b, and its least-squares fit is one division.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from audit.probes._geometry import Placement

_ROUNDS = 5  # the mean shape settles after two or three
_SPAN = 0.8  # the mean face's longer side, as a share of the aligned square


@dataclasses.dataclass(frozen=True, slots=True)
class Alignment:
    """Points of every image, complex [N, P] in its pixels, and their mean shape, complex [P] in the unit square."""

    points: NDArray[np.complex128]
    shape: NDArray[np.complex128]

    def transform(self, row: int, placement: Placement) -> NDArray[np.float64]:
        """Where the aligned square lies on the model's input: [2, 3], from (x, y, 1) in the square to shares of the
        input's width and height. NaN for an image that lacks a point."""
        width, height = placement.input
        view = placement.view((height, width))
        seen = self.points[row]
        placed = (seen.real * view.scale[0] + view.shift[0]) + 1j * (seen.imag * view.scale[1] + view.shift[1])
        a, b = _fit(self.shape, placed)
        inside: NDArray[np.float64] = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
        return inside / np.array([[width], [height]], dtype=np.float64)


def align(points: NDArray[np.float64]) -> Alignment | None:
    """Alignment of landmarks [N, P, 2], NaN where one is missing; None when no image has all of them."""
    plane = points[..., 0] + 1j * points[..., 1]
    whole = plane[np.isfinite(plane).all(axis=1)]
    whole = whole - whole.mean(axis=1, keepdims=True)
    sizes = np.sqrt((np.abs(whole) ** 2).mean(axis=1, keepdims=True))
    whole = whole[sizes[:, 0] > 0] / sizes[sizes[:, 0] > 0]
    if len(whole) == 0:
        return None
    mean = whole.mean(axis=0)  # not turned yet: the mean face stands as upright as the pictures do
    for _ in range(_ROUNDS):
        turns = whole @ mean.conj()
        mean = (whole * np.exp(-1j * np.angle(turns))[:, None]).mean(axis=0)
    low, high = complex(mean.real.min(), mean.imag.min()), complex(mean.real.max(), mean.imag.max())
    longer = max(high.real - low.real, high.imag - low.imag)
    return Alignment(plane, (mean - (low + high) / 2) * (_SPAN / longer) + (0.5 + 0.5j))


def _fit(source: NDArray[np.complex128], target: NDArray[np.complex128]) -> tuple[complex, complex]:
    """The a and b for which a * source + b is nearest to target."""
    middle, aim = source.mean(), target.mean()
    a = np.vdot(source - middle, target - aim) / np.vdot(source - middle, source - middle)
    return complex(a), complex(aim - a * middle)
