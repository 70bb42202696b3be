"""Where in the picture a map lies elsewhere: the part of a fixed division of the picture whose share differs most.

Cells are chosen for being significant, so what they add up to overstates the effect. The parts are there before anybody
has looked: a part is named where a cell in it differs by more than chance, and its share is that of all its cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from audit.result import DifferenceMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BANDS = ("the upper part", "the band across the middle", "the lower part")
_STRIPS = ("the left side", "the strip down the middle", "the right side")
_SPOTS = (
    "the upper left", "the upper middle", "the upper right",
    "the middle left", "the center", "the middle right",
    "the lower left", "the lower middle", "the lower right",
)  # fmt: skip
_LARGER = 0.7  # a band or strip is named where no ninth of the picture holds so much of its difference


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A part of the picture. `mean` and `rest`: its share of the group's relevance, and of that of the others."""

    name: str
    mean: float
    rest: float

    @property
    def gain(self) -> float:
        return self.mean - self.rest


def places(found: DifferenceMap, marked: NDArray[np.bool_]) -> tuple[Place | None, Place | None]:
    """Where there is more relevance and where there is less; None where no part with such a cell in it says so.

    The part that differs most comes from nine spots, three bands or three strips; the other one from the same division.
    `marked`, bool [h, w], are the cells that differ by more than chance.
    """
    every = [(weight, p) for weight, parts in _divisions(found) for p in _supported(found, marked, parts)]
    if not every:
        return None, None
    _, most = max(every, key=lambda one: round(one[0] * abs(one[1].gain), 9))
    division = next(parts for _, parts in _divisions(found) if any(name == most.name for name, _ in parts))
    other = [p for p in _supported(found, marked, division) if p.gain * most.gain < 0]
    opposite = max(other, key=lambda p: round(abs(p.gain), 9), default=None)
    return (most, opposite) if most.gain > 0 else (opposite, most)


_Part = tuple[str, "NDArray[np.bool_]"]


def _divisions(found: DifferenceMap) -> Iterator[tuple[float, list[_Part]]]:
    """Names and cells of each way to divide the picture, with what a difference counts there: a cell belongs to the
    third that its middle lies in."""
    import numpy as np

    height, width = found.mean.shape
    down, across = ((2 * np.arange(n) + 1) * 3 // (2 * n) for n in (height, width))
    row, column = np.broadcast_arrays(down[:, None], across[None])
    yield 1.0, [(name, 3 * row + column == place) for place, name in enumerate(_SPOTS)]
    yield _LARGER, [(name, row == place) for place, name in enumerate(_BANDS)]
    yield _LARGER, [(name, column == place) for place, name in enumerate(_STRIPS)]


def _supported(found: DifferenceMap, marked: NDArray[np.bool_], parts: list[_Part]) -> Iterator[Place]:
    """Parts that differ the way that a marked cell in them does."""
    for name, cells in parts:
        place = Place(name, float(found.mean[cells].sum()), float(found.rest[cells].sum()))
        if (found.difference[cells & marked] * place.gain > 0).any():
            yield place
