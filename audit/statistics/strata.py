"""Groups compared among items that are alike in something else: differences standardized over strata.

A cell is a group within a stratum. Two groups i and j are compared over the strata k in which both have evidence:
D = sum of w_k (m_ik - m_jk). The weights w_k sum to 1 and are in proportion to the harmonic mean of the two cells'
effective sizes: n* of a proportion, K of a mean. So each of the two has a standardized value, sum of w_k m_ik, whose
variance is the sum over k and l of w_k w_l r_kl sqrt(V_k V_l), r_kl from subjects who are in both cells; at least what
it is with the variances that all cells share. A standardized proportion is a proportion again, of the effective size
p (1 - p) / V, and from there on the two are compared like any two groups (`audit.statistics.disparity`).

What a proportion's cells share is their design effect. How far strata differ in their rates, which makes V smaller than
p (1 - p) sum of w_k^2 / n*_k, is taken from the two groups together: a small cell that happens to have few events would
make its group look surer than it is.

(To add up the cells' own Wilson margins instead is not good enough: a cell without an event has none below, so the
interval holds the truth too rarely where one group is much smaller, and is too wide where both are small.)

Arrays are [P, M], pairs of groups and measures side by side, or [P, K, M], with the strata.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from audit.statistics.couples import Couples, Index
from audit.statistics.disparity import Contrasts, Gap, degrees_of_freedom
from audit.statistics.estimates import (
    FEW_EVENTS,
    Bools,
    Floats,
    Groups,
    Means,
    Rates,
    Sample,
    divide,
    leaning,
    own_size,
    pooled_variance,
    shared_size,
)
from audit.statistics.shares import Shares

_LEAST_DF = 1e-9  # where somebody has nearly all pictures of a cell


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Standardized:
    """Measures with the same evidence: every two groups over the strata that they share."""

    measures: Index  # [M], which they are
    first: Index  # [P], groups of which at least one stratum has both
    second: Index
    used: Bools  # [G, K]: the cells that take part
    difference: Floats  # [P, M], first minus second
    gap: Gap  # [M]: the largest of them
    p_value: Floats  # [M]

    def widest(self, measure: int) -> tuple[int, int] | None:
        """The two groups of the largest difference, the larger value first; None where all are equal."""
        apart = self.difference[:, measure]
        pair = int(np.abs(apart).argmax())
        i, j = int(self.first[pair]), int(self.second[pair])
        return None if apart[pair] == 0 else (i, j) if apart[pair] > 0 else (j, i)


class Strata:
    """The cells of one attribute in some strata, M measures side by side: all proportions or all means.

    Args:
        place: [G, K], the number of each cell; -1 where nobody is.
        cells: what each cell comes to.
        couples: of the same cells.
        evidence: [C, M], cells that take part.
        relative: [M], means whose floor is relative (`Means.of`); None for proportions.
        share: [M], means of values between 0 and 1 (`Shares.of`); None where there are none.
    """

    def __init__(
        self,
        place: Index,
        cells: Groups,
        couples: Couples,
        evidence: Bools,
        relative: Bools | None = None,
        share: Bools | None = None,
    ) -> None:
        self._place, self._evidence = place, evidence
        self._seen = _Seen.of(cells, couples, evidence, relative, share)

    def compare(self, strata: Index, alpha: float, measures: Index | None = None) -> Iterator[Standardized]:
        """The groups over some strata together, by their numbers; over a single one it is that stratum alone.

        Measures of which the same cells have evidence come together; those of which no stratum has two groups with
        evidence don't come. `measures` are the ones to look at, all where it is None.
        """
        asked = np.arange(self._evidence.shape[1]) if measures is None else measures
        place = self._place[:, strata]
        first, second = np.triu_indices(len(place), k=1)
        patterns, which = np.unique(self._evidence[:, asked], axis=1, return_inverse=True)
        for number in range(patterns.shape[1]):
            evident = np.append(patterns[:, number], False)[place]  # the last is where nobody is
            both = evident[first] & evident[second]
            kept = np.flatnonzero(both.any(axis=1))
            if len(kept) == 0:
                continue
            i, j, both = first[kept], second[kept], both[kept]
            used = np.zeros(place.shape, dtype=np.bool_)
            for groups in (i, j):
                np.logical_or.at(used, groups, both)
            some = asked[which.reshape(-1) == number]
            pairs = self._seen.take(some).pairs(place[i], place[j], both, int(used.any(axis=1).sum()), alpha)
            yield Standardized(
                measures=some,
                first=i,
                second=j,
                used=used,
                difference=pairs.differences().value,
                gap=pairs.largest(),
                p_value=pairs.p_value(),
            )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Seen:
    """What is known of the cells [C, M], and of every two of them [C, C, M]: None where nobody is in two."""

    rates: bool
    share: Bools  # [M]: means of values between 0 and 1
    value: Floats
    kish: Floats
    size: Floats  # what the weights follow: nothing that one cell's values decide
    deviation: Floats  # square root of the variance
    floored: Floats  # the same with the floor of a mean
    spread: Floats  # variance that enters the degrees of freedom
    events: Floats
    correlation: Floats | None
    people: Floats | None  # what two cells add to one over the effective number of subjects

    @classmethod
    def of(cls, cells: Groups, couples: Couples, evidence: Bools, relative: Bools | None, share: Bools | None) -> Self:
        p, variance, size, spread = cells.mean, cells.variance, cells.kish, cells.variance
        floored = variance
        if relative is None:
            size = shared_size(cells, own_size(cells), evidence)
            spread = Rates(value=p, kish=cells.kish, size=size).spread
        else:
            floored = np.fmax(variance, pooled_variance(cells, evidence, relative))
        correlation, people = _between(cells, couples) if couples else (None, None)
        return cls(
            rates=relative is None,
            share=np.zeros(p.shape[1], dtype=np.bool_) if share is None else share,
            value=p,
            kish=cells.kish,
            size=size,
            deviation=np.sqrt(variance),
            floored=np.sqrt(floored),
            spread=spread,
            events=cells.events,
            correlation=correlation,
            people=people,
        )

    def take(self, measures: Index) -> Self:
        if len(measures) == self.value.shape[1]:
            return self
        fields = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        some: dict[str, Any] = {name: array[..., measures] for name, array in fields if isinstance(array, np.ndarray)}
        return dataclasses.replace(self, **some)

    def pairs(self, i: Index, j: Index, both: Bools, groups: int, alpha: float) -> Contrasts:
        """Groups against groups: cells `i` and `j` [P, K], of which those count where both have evidence."""
        harmonic = divide(np.ones(1), 1 / self.size[i] + 1 / self.size[j])
        harmonic = np.where(both[..., None], harmonic, 0.0)
        weights = harmonic / harmonic.sum(axis=1, keepdims=True)
        level, strata = self._shared(i, j, weights)
        one, other = (self._side(at, weights, level, shared) for at, shared in zip((i, j), strata, strict=True))
        r, shared = self._overlap(one, other)
        first, second = (side.sample(self.share, rates=self.rates) for side in (one, other))
        return Contrasts(first, second, r, degrees_of_freedom(first, second, shared), groups, alpha)

    def _shared(self, i: Index, j: Index, weights: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
        """What the two groups share: p (1 - p) at the rate of both together [P, M], and each one's weight times
        deviation by stratum. For means 1, and deviations with the floor."""
        if not self.rates:
            one, other = (_times(weights, self.floored[at]) for at in (i, j))
            return np.ones(one[:, 0].shape), (one, other)
        n, m = self.size[i], self.size[j]
        p = _times(weights > 0, (n * self.value[i] + m * self.value[j]) / (n + m))
        both = (weights * p).sum(axis=1)
        one, other = (_times(weights, np.sqrt(np.maximum(0.0, p * (1 - p)) / size)) for size in (n, m))
        return both * (1 - both), (one, other)

    def _side(self, at: Index, weights: Floats, level: Floats, shared: Floats) -> _Side:
        apart, alike = _times(weights, self.deviation[at]), _times(weights**2, 1 / self.kish[at]).sum(axis=1)
        spread, events = _times(weights**2, self.spread[at]), _times(weights > 0, self.events[at])
        several = events.sum(axis=1)
        if self.people is not None:
            crossed = _form(weights, self.people, weights, at, at)
            alike, several = alike + crossed, np.where(crossed > 0, events.max(axis=1), several)
        few = self.rates & (several < FEW_EVENTS)
        own, together = (self._variance(at, a, few) for a in (apart, shared))
        value = _times(weights, self.value[at]).sum(axis=1)
        if self.rates:  # weights that add up to one but for rounding make 1.0000000000000002 of rates of 1
            value = np.clip(value, 0.0, 1.0)
        together *= divide(value * (1 - value), level, otherwise=0.0) if self.rates else 1.0
        df_of_cells = _times(spread**2, 1 / np.maximum(self.kish[at] - 1, _LEAST_DF)).sum(axis=1)
        return _Side(
            at=at,
            weights=weights,
            apart=apart,
            own=own,
            value=value,
            variance=np.maximum(own, together),
            spread=spread.sum(axis=1),
            kish=1 / alike,
            df=np.fmin(divide(spread.sum(axis=1) ** 2, df_of_cells), 1 / alike - 1),
            events=several,
        )

    def _variance(self, at: Index, apart: Floats, few: Bools) -> Floats:
        """Of a weighted sum of cells, from each one's weight times deviation."""
        alone = (apart**2).sum(axis=1)
        if self.correlation is None:
            return np.asarray(alone)
        # What narrows an interval is believed of a proportion only when there are events enough.
        widening = _form(apart, np.maximum(self.correlation, 0.0), apart, at, at) if few.any() else 0.0
        together = np.where(few, widening, _form(apart, self.correlation, apart, at, at))
        return np.asarray(np.maximum(0.0, alone + together))

    def _overlap(self, i: _Side, j: _Side) -> tuple[Floats, Bools]:
        """Correlation of the two groups of each pair, and whether anybody is in both."""
        if self.correlation is None or self.people is None:
            return np.zeros(i.value.shape), np.zeros(i.value.shape, dtype=np.bool_)
        together = _form(i.apart, self.correlation, j.apart, i.at, j.at)
        r = np.clip(divide(together, np.sqrt(i.own * j.own), otherwise=0.0), -1.0, 1.0)
        few = self.rates & (np.minimum(i.events, j.events) < FEW_EVENTS) & (r > 0)
        return np.where(few, 0.0, r), _form(i.weights, self.people, j.weights, i.at, j.at) > 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Side:
    """One group of each pair over the strata of the pair: [P, M], and by stratum [P, K, M]."""

    at: Index  # [P, K], its cells
    weights: Floats  # by stratum
    apart: Floats  # by stratum: weight times deviation
    own: Floats  # variance without what is shared
    value: Floats
    variance: Floats
    spread: Floats
    kish: Floats
    df: Floats
    events: Floats

    def sample(self, share: Bools, *, rates: bool) -> Sample:
        if not rates:
            means = Means(value=self.value, kish=self.df + 1, spread=self.spread, floored=self.variance)
            return Shares.of(means, share)
        p = self.value
        size = np.where(self.variance > 0, divide(p * (1 - p), self.variance), self.kish)
        return Rates(value=p, kish=self.df + 1, size=leaning(size, self.kish, self.events))


def _between(cells: Groups, couples: Couples) -> tuple[Floats, Floats]:
    scale = np.sqrt(cells.variance[:, None] * cells.variance[None])
    correlation = np.clip(divide(couples.products(cells.influence), scale, otherwise=0.0), -1.0, 1.0)
    each = np.sqrt(cells.subjects * cells.kish)
    people = couples.products(cells.present.astype(np.float64))
    return correlation, divide(people, each[:, None] * each[None], otherwise=0.0)


def _times(weights: Floats | Bools, values: Floats) -> Floats:
    """The product where there is weight, 0 elsewhere: what a cell without weight holds may be anything."""
    return np.where(weights > 0, weights * np.where(weights > 0, values, 0.0), 0.0)


def _form(one: Floats, between: Floats, other: Floats, i: Index, j: Index) -> Floats:
    """Sum over strata k and l of one_k b_kl other_l, with b between the cells i_k and j_l: [P, M]."""
    return np.asarray(np.einsum("pkm,pklm,plm->pm", one, between[i[:, :, None], j[:, None, :]], other))
