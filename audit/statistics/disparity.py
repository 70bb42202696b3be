"""Between groups: intervals for every pair, and for the largest difference and the smallest ratio.

The gap between the largest and the smallest of several noisy numbers is never zero. So what says "some pair differs"
(the lower end of a difference, the upper end of a ratio) is simultaneous over all pairs, and what says "every pair is
within" is not: the true gap belongs to one pair, so the plain critical value is enough for that end.

Pairs are Newcombe's hybrid intervals (MOVER, method of variance estimates recovery), with the correlation that comes
from people who are in both groups. Arrays are [P, M]: pairs of G groups, M measures side by side.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics._quantiles import plain, simultaneous
from audit.statistics.estimates import FEW_EVENTS, Bools, Cells, Floats, Groups, Sample, divide

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def overlap(self, groups: Groups, *, proportion: bool) -> Overlap:
        """Correlation r = sum of h_i h_j / sqrt(V_i V_j). Of a proportion a positive one, which narrows the interval,
        is believed only when both groups have enough subjects with and without the event."""
        measures = groups.mean.shape[1]
        together = np.zeros((self._groups**2, measures))
        shared = np.zeros((self._groups**2, measures))
        for one, other, adding in self._steps:
            together += adding @ (groups.influence[one] * groups.influence[other])
            shared += adding @ (groups.present[one] & groups.present[other]).astype(np.float64)
        shape = (self._groups, self._groups, measures)
        # A couple of cells is seen once, with the lower group first.
        together = together.reshape(shape) + together.reshape(shape).swapaxes(0, 1)
        shared = shared.reshape(shape) + shared.reshape(shape).swapaxes(0, 1)
        scale = np.sqrt(groups.variance[:, None] * groups.variance[None, :])
        r = np.clip(divide(together, scale, otherwise=0.0), -1.0, 1.0)
        few = (groups.events < FEW_EVENTS) & proportion
        return Overlap(
            correlation=np.where((few[:, None] | few[None, :]) & (r > 0), 0.0, r),
            shared=shared > 0,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Intervals:
    """Value and interval of each pair [P, M], first group against second, at one choice of critical value."""

    value: Floats
    low: Floats
    high: Floats


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Gap:
    """A summary over all groups, [M]. NaN: can't be had."""

    value: Floats
    low: Floats
    high: Floats


class Pairs:
    """Every pair of the groups of one sample, and what they come to over all groups.

    Args:
        sample: [G, M], groups with evidence only, at least two.
        overlap: of the same groups and measures.
        alpha: one minus the confidence level.
    """

    def __init__(self, sample: Sample, overlap: Overlap, alpha: float) -> None:
        self.groups, self.measures = sample.value.shape
        self.first, self.second = np.triu_indices(self.groups, k=1)
        everything = np.arange(self.measures)
        self._i, self._j = sample.take(self.first, everything), sample.take(self.second, everything)
        self._values = sample.value
        self._r = overlap.correlation[self.first, self.second]
        self._df = _degrees_of_freedom(self._i, self._j, overlap.shared[self.first, self.second])
        self._plain = plain(alpha, self._df)
        self._simultaneous = simultaneous(alpha, self.groups, self._df)

    def differences(self, *, together: bool = True) -> Intervals:
        """First minus second; simultaneous over all pairs, or each by itself."""
        critical = self._simultaneous if together else self._plain
        value = self._i.value - self._j.value
        low_i, high_i = self._i.limits(critical)
        low_j, high_j = self._j.limits(critical)
        return Intervals(
            value=value,
            low=value - _combined(self._i.value - low_i, high_j - self._j.value, self._r),
            high=value + _combined(high_i - self._i.value, self._j.value - low_j, self._r),
        )

    def ratios(self, *, together: bool = True) -> Intervals:
        """First over second, on logs (the log of a rate of 0 is handled as a limit: see `_with_zeros`)."""
        critical = self._simultaneous if together else self._plain
        positive = (self._i.value > 0) & (self._j.value > 0)
        log = np.log(np.where(positive, self._i.value, 1.0)) - np.log(np.where(positive, self._j.value, 1.0))
        below_i, above_i = self._i.log_margins(critical)
        below_j, above_j = self._j.log_margins(critical)
        found = Intervals(
            value=np.exp(log),
            low=_exp(log - _combined(below_i, above_j, self._r)),
            high=_exp(log + _combined(above_i, below_j, self._r)),
        )
        return self._with_zeros(found, critical)

    def difference(self) -> Gap:
        """Largest minus smallest group value, never below 0."""
        together, alone = self.differences(), self.differences(together=False)
        return Gap(
            value=self._values.max(axis=0) - self._values.min(axis=0),
            low=np.maximum(0.0, np.maximum(together.low, -together.high).max(axis=0)),
            high=np.maximum(alone.high, -alone.low).max(axis=0),
        )

    def ratio(self) -> Gap:
        """Smallest over largest group value, never above 1; NaN where both are 0."""
        together, alone = self.ratios(), self.ratios(together=False)
        largest = self._values.max(axis=0)
        return Gap(
            value=divide(self._values.min(axis=0), largest),
            low=np.minimum(alone.low, _inverse(alone.high)).min(axis=0),
            high=np.minimum(1.0, np.minimum(together.high, _inverse(together.low)).min(axis=0)),
        )

    def _with_zeros(self, found: Intervals, critical: Floats) -> Intervals:
        """0 over positive is 0, between 0 and upper over lower limit; positive over 0 is its inverse; 0 over 0 is
        nothing, between 0 and 1."""
        zero_i, zero_j = self._i.value <= 0, self._j.value <= 0
        low_i, high_i = self._i.limits(critical)
        low_j, high_j = self._j.limits(critical)
        none, both = zero_i & ~zero_j, zero_i & zero_j
        inverse = zero_j & ~zero_i
        return Intervals(
            value=np.select([both, none, inverse], [np.nan, 0.0, np.inf], found.value),
            low=np.select([both | none, inverse], [0.0, _inverse(divide(high_j, low_i, np.inf))], found.low),
            high=np.select([both, none, inverse], [1.0, divide(high_i, low_j, np.inf), np.inf], found.high),
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


def _degrees_of_freedom(i: Sample, j: Sample, shared: Bools) -> Floats:
    """Welch's, from variances without the floor; of the smaller group where the two share subjects."""
    df_i, df_j = i.kish - 1, j.kish - 1
    smaller = np.minimum(df_i, df_j)
    welch = divide((i.spread + j.spread) ** 2, i.spread**2 / df_i + j.spread**2 / df_j)
    return np.where(shared | np.isnan(welch), smaller, welch)


def _combined(one: Floats, other: Floats, r: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(0.0, one**2 + other**2 - 2 * r * one * other)))


def _exp(x: Floats) -> Floats:
    """Limits far beyond any use stay finite."""
    return np.asarray(np.exp(np.clip(x, -700.0, 700.0)))


def _inverse(x: Floats) -> Floats:
    return divide(np.ones_like(x), x, otherwise=np.inf)
