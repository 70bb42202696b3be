"""One group at a time: value, variance over subjects, interval.

Several pictures of one person are not independent, so the unit is the subject. Arrays are [C, M] over cells
(subject x group) or [G, M] over groups, M measures side by side. Symbols: S subjects and N items that count, K the
effective number of subjects, V the delete-one-subject jackknife variance of the mean.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics._quantiles import plain

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FEW_EVENTS = 6  # fewer people than this behind the events, or their absence, say nothing about how groups hang together
ALL_ALIKE = 5  # as few people as this, and somebody's pictures count as if they were all alike


class Cells:
    """The cells (group x subject) that occur, sorted by group, then subject.

    Args:
        codes: [N], each item's group; every group from 0 to `groups` - 1 occurs.
        subjects: [N], whose each item is.
        groups: how many there are.
    """

    def __init__(self, codes: NDArray[np.int64], subjects: NDArray[np.int64], groups: int) -> None:
        from scipy.sparse import csr_matrix

        order = np.lexsort((subjects, codes))
        group, subject = codes[order], subjects[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(group) != 0) | (np.diff(subject) != 0)
        self.group: NDArray[np.int64] = group[new]
        self.subject: NDArray[np.int64] = subject[new]
        self.groups = groups
        self.of_item = np.empty(len(order), dtype=np.int64)  # [N], each item's cell
        self.of_item[order] = np.cumsum(new) - 1
        starts = np.append(np.flatnonzero(new), len(order))
        self._by_cell: Any = csr_matrix((np.ones(len(order)), order, starts), shape=(len(starts) - 1, len(order)))
        self._group_starts = np.searchsorted(self.group, np.arange(self.groups))

    def sums(self, values: Floats) -> Floats:
        """Sum the rows of `values` [N, M] by cell: [C, M]."""
        return np.asarray(self._by_cell @ values)

    def over_groups(self, by_cell: Floats) -> Floats:
        """Sum cells [C, M] by group: [G, M]. Every group has at least one cell."""
        return np.add.reduceat(by_cell, self._group_starts, axis=0)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Groups:
    """What the cells of each group come to. [G, M] but for the two by cell; NaN where it can't be had."""

    items: Floats  # N
    subjects: Floats  # S
    mean: Floats
    kish: Floats  # K = N^2 / sum of n_s^2
    variance: Floats  # V; needs two subjects
    events: Floats  # effective number of subjects behind the events, or behind the items without, if that is smaller
    influence: Floats  # [C, M]: h, what each subject adds to V squared
    present: Bools  # [C, M]: the subject has an item that counts

    @classmethod
    def of(cls, cells: Cells, values: Floats, counts: Floats) -> Self:
        """From `values` [N, M], 0 where an item does not count, and `counts` [N, M], 1 or 0."""
        x, n = cells.sums(values), cells.sums(counts)
        present = n > 0
        total, items = cells.over_groups(x), cells.over_groups(n)
        subjects = cells.over_groups(present.astype(np.float64))
        with_event = cells.over_groups((x > 0).astype(np.float64))
        without = cells.over_groups((x < n).astype(np.float64))
        squares = cells.over_groups(n**2)
        kish = divide(items**2, squares)
        spread = spread_of_events(squares, cells.over_groups(n * x), cells.over_groups(x**2))
        # (x - mean n) / (N - n), with N multiplied out so that it is exactly 0 for counts that are all alike.
        of_group = cells.group
        rest = items[of_group] * (items[of_group] - n)
        raw = divide(x * items[of_group] - total[of_group] * n, rest, otherwise=0.0)
        influence = raw * np.sqrt(divide(subjects - 1, subjects, otherwise=0.0))[of_group]
        variance = cells.over_groups(influence**2)
        return cls(
            items=items,
            subjects=subjects,
            mean=divide(total, items),
            kish=kish,
            variance=np.where(subjects >= 2, variance, np.nan),
            events=np.fmin(np.minimum(with_event, without), kish * spread),
            influence=influence,
            present=present,
        )


class Sample(Protocol):
    """Group values with their uncertainty, [G, M]: what a comparison of groups needs to know."""

    @property
    def value(self) -> Floats:
        """Proportion or mean."""

    @property
    def kish(self) -> Floats:
        """Effective number of subjects."""

    @property
    def spread(self) -> Floats:
        """Variance that enters Welch's degrees of freedom."""

    def limits(self, critical: Floats) -> tuple[Floats, Floats]:
        """Both ends of the interval at a critical value."""

    def log_margins(self, critical: Floats) -> tuple[Floats, Floats]:
        """How far it reaches below and above the value on the scale of ln value; NaN where the value is 0."""

    def take(self, groups: NDArray[Any], measures: NDArray[Any]) -> Self:
        """Some groups of some measures."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Rates:
    """Proportions at their effective sample sizes, with Wilson's interval."""

    value: Floats
    kish: Floats
    size: Floats  # n*: as many independent items as would have this variance

    @classmethod
    def of(cls, groups: Groups, evidence: Bools) -> Self:
        """A group's own size is noisy: it leans towards that of pictures all alike the fewer people are behind the
        events, and groups with evidence [G, M] have at most what their shared design effect leaves."""
        own = leaning(own_size(groups), groups.kish, groups.events)
        size = np.where(evidence, np.fmin(own, shared_size(groups, own, evidence)), own)
        return cls(value=groups.mean, kish=groups.kish, size=size)

    @property
    def spread(self) -> Floats:
        moved = (self.size * self.value + 1) / (self.size + 2)  # never 0, also where no event was seen
        return np.asarray(moved * (1 - moved) / self.size)

    def limits(self, critical: Floats) -> tuple[Floats, Floats]:
        return wilson(self.value, self.size, critical)

    def log_margins(self, critical: Floats) -> tuple[Floats, Floats]:
        low, high = self.limits(critical)
        positive = np.where(self.value > 0, self.value, np.nan)
        return np.log(positive / low), np.log(high / positive)

    def take(self, groups: NDArray[Any], measures: NDArray[Any]) -> Self:
        at = np.ix_(groups, measures)
        return type(self)(value=self.value[at], kish=self.kish[at], size=self.size[at])


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Means:
    """Means with a floor under their variances, with Student's t over subjects."""

    value: Floats
    kish: Floats
    spread: Floats  # V, without the floor
    floored: Floats  # V'

    @classmethod
    def of(cls, groups: Groups, evidence: Bools, relative: Bools) -> Self:
        """Skewed values in a small group look tamer than they are: its variance is at least the pooled one."""
        pooled = pooled_variance(groups, evidence, relative)
        floored = np.where(evidence, np.fmax(groups.variance, pooled), groups.variance)
        return cls(value=groups.mean, kish=groups.kish, spread=groups.variance, floored=floored)

    def limits(self, critical: Floats) -> tuple[Floats, Floats]:
        margin = critical * np.sqrt(self.floored)
        return self.value - margin, self.value + margin

    def log_margins(self, critical: Floats) -> tuple[Floats, Floats]:
        margin = divide(critical * np.sqrt(self.floored), self.value)
        return margin, margin

    def take(self, groups: NDArray[Any], measures: NDArray[Any]) -> Self:
        at = np.ix_(groups, measures)
        return type(self)(value=self.value[at], kish=self.kish[at], spread=self.spread[at], floored=self.floored[at])


def own_size(groups: Groups) -> Floats:
    """As many independent items as have the variance of each proportion; K where nothing was seen of it."""
    p = groups.mean
    return np.where(groups.variance > 0, divide(p * (1 - p), groups.variance), groups.kish)


def leaning(size: Floats, kish: Floats, events: Floats) -> Floats:
    """An effective size, the nearer to that of pictures all alike (K) the fewer people are behind the events."""
    lean = (ALL_ALIKE / np.fmax(events, ALL_ALIKE)) ** 4
    own, alike = divide(np.ones_like(size), size), divide(np.ones_like(size), kish)
    return divide(np.ones_like(size), own + lean * np.fmax(0.0, alike - own))


def shared_size(groups: Groups, size: Floats, evidence: Bools) -> Floats:
    """Effective sizes by the design effect N / n* that groups with evidence [G, M] share.

    It is the geometric mean of sharing by images and by subjects: the first alone is far too wide where groups differ
    in images a subject, the second alone too narrow.
    """
    each, effect = divide(groups.items, groups.kish), divide(groups.items, size)
    return divide(groups.items, np.sqrt(_mean(effect, evidence) * each * _mean(divide(effect, each), evidence)))


def pooled_variance(groups: Groups, evidence: Bools, relative: Bools) -> Floats:
    """What the variance of each mean would be if all with evidence were alike in the relative variance where a measure
    is `relative` [M] (an image's value is always above 0), else in the variance itself: the geometric mean of a
    subject's and an item's."""
    scale = np.where(relative, groups.mean**2, np.where(groups.items > 0, 1.0, np.nan))
    weights = np.where(evidence & (scale > 0), groups.kish - 1, 0.0)
    share = divide(groups.variance, scale)
    per_subject = _mean(share * groups.kish, weights)
    per_item = _mean(share * groups.items, weights)
    return np.asarray(scale * np.sqrt(divide(per_subject, groups.kish) * divide(per_item, groups.items)))


def interval(sample: Sample, alpha: float) -> tuple[Floats, Floats]:
    """Low and high for each group by itself, NaN with fewer than two subjects."""
    several = np.where(sample.kish > 1, sample.kish - 1, np.nan)  # K is 1 for one subject only
    return sample.limits(plain(alpha, several))


def wilson(p: Floats, n: Floats, critical: Floats) -> tuple[Floats, Floats]:
    """Wilson's score interval for a proportion p of n: the roots of (p - x)^2 = c^2 x (1 - x) / n."""
    k = critical**2 / n
    high = np.clip((2 * p + k + np.sqrt(k * k + 4 * k * p * (1 - p))) / (2 * (1 + k)), p, 1.0)
    # The product of the roots: no cancellation, so the lower limit of a positive rate is never 0.
    return np.minimum(p, p * p / ((1 + k) * high)), high


def divide(over: Floats, under: Floats, otherwise: float = np.nan) -> Floats:
    """Divide where under is positive, `otherwise` elsewhere."""
    over, under = np.broadcast_arrays(over, under)
    return np.asarray(np.divide(over, under, out=np.full(over.shape, otherwise), where=under > 0))


def spread_of_events(squares: Floats, mixed: Floats, events: Floats) -> Floats:
    """How far events spread over people as their pictures do, or the absence of events, whichever does so less: squared
    cosine between a subject's pictures n and those with the event x, from sums of n^2, n x and x^2. 0: nobody has any.

    Times K it is a number of people: with as many pictures each (sum of x)^2 / sum of x^2, as Kish counts. Where few
    have most of the pictures, events among the others say little about those few.
    """
    absent, neither = squares - mixed, squares - 2 * mixed + events
    present_share = divide(mixed**2, squares * events, otherwise=0.0)
    return np.minimum(present_share, divide(absent**2, squares * neither, otherwise=0.0))


def _mean(values: Floats, weights: Floats | Bools) -> Floats:
    """Weighted mean over groups: [M], NaN where nothing has weight."""
    total = np.where(weights > 0, values * weights, 0.0).sum(axis=0)
    return divide(total, np.asarray(weights, dtype=np.float64).sum(axis=0))
