"""Between groups: intervals and p for every pair, and for what they come to over all groups.

The gap between the largest and the smallest of several noisy numbers is never zero. So what says "some pair differs"
(the lower end of a difference, the upper end of a ratio) is simultaneous over all pairs, and what says "every pair is
within" is not: the true gap belongs to one pair, so the plain critical value is enough for that end.

Pairs are Newcombe's hybrid intervals (MOVER, method of variance estimates recovery), with the correlation that comes
from people who are in both groups. The p of a pair belongs to the critical value at which its interval reaches 0, so
the two can't disagree. Arrays are [P, M]: pairs of G groups, M measures side by side.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np

from audit.statistics import kinds
from audit.statistics._quantiles import plain, simultaneous, tail
from audit.statistics._roots import rising_root
from audit.statistics.couples import Index, Overlap
from audit.statistics.estimates import Bools, Floats, Sample, divide

if TYPE_CHECKING:
    pass

_CRITICAL = (1e-9, 1e12)  # between these the critical value is sought at which an interval reaches 0


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


class Contrasts:
    """Pairs of groups, the first of each against the second.

    Args:
        first, second: [P, M].
        correlation: [P, M], of the two.
        df: [P, M], degrees of freedom.
        groups: how many there are: what is simultaneous is so over all their pairs.
        alpha: one minus the confidence level.
    """

    def __init__(
        self, first: Sample, second: Sample, correlation: Floats, df: Floats, groups: int, alpha: float
    ) -> None:
        self.groups, self.measures = groups, correlation.shape[1]
        self._i, self._j, self._r, self._df = first, second, correlation, df
        self._plain = plain(alpha, df)
        self._simultaneous = simultaneous(alpha, groups, df)

    def differences(self, *, together: bool = True) -> Intervals:
        """First minus second; simultaneous over all pairs, or each by itself."""
        critical = self._simultaneous if together else self._plain
        value = self._i.value - self._j.value
        below, above = self._margins(critical)
        return Intervals(value=value, low=value - below, high=value + above)

    def largest(self) -> Gap:
        """The largest difference of any pair, never below 0."""
        together, alone = self.differences(), self.differences(together=False)
        return Gap(
            value=np.abs(together.value).max(axis=0),
            low=np.maximum(0.0, np.maximum(together.low, -together.high).max(axis=0)),
            high=np.maximum(alone.high, -alone.low).max(axis=0),
        )

    def p_values(self) -> Floats:
        """Of every pair [P, M], simultaneous over all of them: below alpha just where the interval lies beyond 0."""
        return tail(self._zero, self.groups, self._df)

    def p_value(self) -> Floats:
        """The smallest p over the pairs, [M]; 1 where all groups are equal.

        p falls in the critical value and in df, so only pairs that no other one beats in both have to be looked at.
        """
        order = np.argsort(-self._zero, axis=0)
        zero, df = np.take_along_axis(self._zero, order, axis=0), np.take_along_axis(self._df, order, axis=0)
        best = np.maximum.accumulate(df, axis=0)
        ahead = np.ones(df.shape, dtype=np.bool_)
        ahead[1:] = df[1:] > best[:-1]
        found = np.ones(df.shape)
        found[ahead] = tail(zero[ahead], self.groups, df[ahead])
        return np.asarray(found.min(axis=0))

    def ratios(self, *, together: bool = True) -> Intervals:
        """First over second, on logs (the log of a rate of 0 is handled as a limit: see `_with_zeros`)."""
        critical = self._simultaneous if together else self._plain
        logs = self._logs(critical)
        found = Intervals(value=np.exp(logs.value), low=_exp(logs.low), high=_exp(logs.high))
        return self._with_zeros(found, critical)

    @functools.cached_property
    def _zero(self) -> Floats:
        """The critical value at which each pair's interval of the difference reaches 0: 0 where the two are equal,
        infinite where there is none.

        Of groups that move almost as one (r near 1) the margin can shrink again far out and so reach 0 several times.
        It is sought on the side of the simultaneous critical value that agrees with the interval there.
        """
        apart = np.abs(self._i.value - self._j.value)
        unequal = np.flatnonzero(apart > 0)
        critical, here = self._simultaneous.copy(), np.log(self._simultaneous.flat[unequal])

        def margin(x: Floats, which: Index) -> Floats:
            critical.flat[unequal[which]] = np.exp(x)
            below, above = self._margins(critical)
            toward = np.where(self._i.value > self._j.value, below, above) / np.where(apart > 0, apart, 1.0)
            return np.asarray(np.log(np.maximum(toward.flat[unequal[which]], 1e-300)))

        beyond = margin(here, np.arange(len(unequal))) < 0
        least, most = np.log(_CRITICAL)
        found = rising_root(margin, np.where(beyond, here, least), np.where(beyond, np.maximum(here, most), here))
        zero = np.zeros(apart.shape)
        zero.flat[unequal] = np.where(beyond & (found >= most), np.inf, np.exp(found))
        return zero

    def _margins(self, critical: Floats) -> tuple[Floats, Floats]:
        """How far each pair's interval of the difference reaches below and above the value."""
        low_i, high_i = self._i.limits(critical)
        low_j, high_j = self._j.limits(critical)
        i, j = self._i.value, self._j.value
        return _combined(i - low_i, high_j - j, self._r), _combined(high_i - i, j - low_j, self._r)

    def _logs(self, critical: Floats) -> Intervals:
        """The log of first over second; limits are NaN where one of the two is 0."""
        positive = (self._i.value > 0) & (self._j.value > 0)
        log = np.log(np.where(positive, self._i.value, 1.0)) - np.log(np.where(positive, self._j.value, 1.0))
        below_i, above_i = self._i.log_margins(critical)
        below_j, above_j = self._j.log_margins(critical)
        return Intervals(
            value=log,
            low=log - _combined(below_i, above_j, self._r),
            high=log + _combined(above_i, below_j, self._r),
        )

    def _with_zeros(self, found: Intervals, critical: Floats) -> Intervals:
        """0 over positive is 0, between 0 and upper over lower limit; positive over 0 is its inverse; 0 over 0 is
        nothing, between 0 and 1."""
        zero_i, zero_j = self._i.value <= 0, self._j.value <= 0
        low_i, high_i = self._i.limits(critical)
        low_j, high_j = self._j.limits(critical)
        none, both = zero_i & ~zero_j, zero_i & zero_j
        endless = zero_j & ~zero_i
        return Intervals(
            value=np.select([both, none, endless], [np.nan, 0.0, np.inf], found.value),
            low=np.select([both | none, endless], [0.0, inverse(divide(high_j, low_i, np.inf))], found.low),
            high=np.select([both, none, endless], [1.0, divide(high_i, low_j, np.inf), np.inf], found.high),
        )


class Pairs(Contrasts):
    """Every pair of the groups of one sample, and what they come to over all groups.

    Args:
        sample: [G, M], groups with evidence only, at least two.
        overlap: of the same groups and measures.
        alpha: one minus the confidence level.
    """

    def __init__(self, sample: Sample, overlap: Overlap, alpha: float) -> None:
        self.first, self.second = np.triu_indices(len(sample.value), k=1)
        everything = np.arange(sample.value.shape[1])
        i, j = sample.take(self.first, everything), sample.take(self.second, everything)
        df = degrees_of_freedom(i, j, overlap.shared[self.first, self.second])
        super().__init__(i, j, overlap.correlation[self.first, self.second], df, len(sample.value), alpha)
        self._values = sample.value

    def difference(self) -> Gap:
        """Largest minus smallest group value, never below 0."""
        return dataclasses.replace(self.largest(), value=kinds.difference(self._values))

    def ratio(self) -> Gap:
        """Smallest over largest group value, never above 1; NaN where both are 0."""
        together, alone = self.ratios(), self.ratios(together=False)
        return Gap(
            value=kinds.ratio(self._values),
            low=np.minimum(alone.low, inverse(alone.high)).min(axis=0),
            high=np.minimum(1.0, np.minimum(together.high, inverse(together.low)).min(axis=0)),
        )

    def max_geomean(self) -> Gap:
        """Largest group value over the geometric mean of all, never below 1; NaN where a group is at 0."""
        logs = self._logs(self._simultaneous)
        positive = (self._values > 0).all(axis=0)
        return Gap(
            value=kinds.max_geomean(self._values),
            low=np.where(positive, _exp(np.maximum(0.0, self._over_others(logs.low, -logs.high))), np.nan),
            high=np.where(positive, _exp(self._over_others(logs.high, -logs.low)), np.nan),
        )

    def gini(self) -> Gap:
        """Gini coefficient of the group values, from 0, all equal, to 1, all in one group; NaN where all are at 0.

        It is the mean over the pairs of |x_i - x_j| / (x_i + x_j), weighted by x_i + x_j. Each of those follows from
        the pair's ratio, so the uncertainty of the sum is in it: for two groups it is the ratio's interval.
        """
        ratios = self.ratios()
        ends = _apart(ratios.low), _apart(ratios.high)
        equal = (ratios.low <= 1) & (ratios.high >= 1)
        weights = self._i.value + self._j.value
        total = weights.sum(axis=0)
        return Gap(
            value=kinds.gini(self._values),
            low=divide((weights * np.where(equal, 0.0, np.minimum(*ends))).sum(axis=0), total),
            high=np.minimum(1.0, divide((weights * np.maximum(*ends)).sum(axis=0), total)),
        )

    def _over_others(self, ahead: Floats, behind: Floats) -> Floats:
        """The largest mean over all groups, itself with 0 among them, of what is said of a group against each: `ahead`
        [P, M] of the first of a pair against the second, `behind` the other way round."""
        against = np.zeros((self.groups, self.groups, self.measures))
        against[self.first, self.second], against[self.second, self.first] = ahead, behind
        return np.asarray(against.mean(axis=1).max(axis=0))


def degrees_of_freedom(i: Sample, j: Sample, shared: Bools) -> Floats:
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


def _apart(ratio: Floats) -> Floats:
    """|x - y| / (x + y) of two values whose ratio is given."""
    finite = np.where(np.isinf(ratio), 0.0, ratio)
    return np.where(np.isinf(ratio), 1.0, np.abs(1 - finite) / (1 + finite))


def inverse(x: Floats) -> Floats:
    """One over x; infinite where x is 0."""
    return divide(np.ones_like(x), x, otherwise=np.inf)
