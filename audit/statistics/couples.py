"""People who are in two groups: what their pictures have in common makes the groups' estimates hang together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics.estimates import FEW_EVENTS, Bools, Cells, Floats, Groups, divide

Index = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Overlap:
    """How the estimates of two groups hang together through subjects who are in both: [G, G, M]."""

    correlation: Floats
    shared: Bools  # at least one subject counts in both

    def take(self, groups: Index, measures: Index) -> Self:
        at = np.ix_(groups, groups, measures)
        return type(self)(correlation=self.correlation[at], shared=self.shared[at])


class Couples:
    """The pairs of cells that belong to one subject: found once for a grouping, used for every measure."""

    def __init__(self, cells: Cells) -> None:
        from scipy.sparse import csr_matrix

        self._groups = cells.groups
        self._steps: list[tuple[Index, Index, Any]] = []
        for one, other in _couples(cells):
            flat = cells.group[one] * cells.groups + cells.group[other]
            shape = (cells.groups**2, len(one))
            adding = csr_matrix((np.ones(len(one)), (flat, np.arange(len(one)))), shape=shape)
            self._steps.append((one, other, adding))

    def __bool__(self) -> bool:
        """Whether anybody is in two groups."""
        return bool(self._steps)

    def products(self, by_cell: Floats) -> Floats:
        """Sum over subjects of x_i x_j for every two groups [G, G, M] from cells [C, M]; 0 for a group with itself."""
        found = np.zeros((self._groups**2, by_cell.shape[1]))
        for one, other, adding in self._steps:
            found += adding @ (by_cell[one] * by_cell[other])
        # A couple of cells is seen once, with the lower group first.
        square = found.reshape(self._groups, self._groups, by_cell.shape[1])
        return np.asarray(square + square.swapaxes(0, 1))

    def overlap(self, groups: Groups, *, proportion: bool) -> Overlap:
        """Correlation r = sum of h_i h_j / sqrt(V_i V_j). Of a proportion a positive one, which narrows the interval,
        is believed only when both groups have enough subjects with and without the event."""
        together = self.products(groups.influence)
        shared = self.products(groups.present.astype(np.float64))
        scale = np.sqrt(groups.variance[:, None] * groups.variance[None, :])
        r = np.clip(divide(together, scale, otherwise=0.0), -1.0, 1.0)
        few = (groups.events < FEW_EVENTS) & proportion
        return Overlap(
            correlation=np.where((few[:, None] | few[None, :]) & (r > 0), 0.0, r),
            shared=shared > 0,
        )


def _couples(cells: Cells) -> Iterator[tuple[Index, Index]]:
    """Cells of one subject, two and two, the lower group first: those next to each other, then one further apart."""
    order = np.lexsort((cells.group, cells.subject))
    subject = cells.subject[order]
    for apart in range(1, cells.groups):
        same = np.flatnonzero(subject[apart:] == subject[:-apart])
        if len(same) == 0:
            return
        yield order[same], order[same + apart]
