"""Rates corrected for a judge: how often a generator goes wrong when what tells us so is itself a classifier.

    t = (o - a) / (1 - a - b)

o: judged wrong on the generated pictures; a: judged wrong on the untouched pictures of the same people; b: judged *as
this label* on the untouched pictures of people of the other label, in the same cell of the other attributes (Rogan and
Gladen, 1978). It assumes that the judge errs on generated faces as on photographs.

The interval is by inversion: all t in [0, 1] for which 0 lies in the MOVER interval of o - (1 - t) a + t b - t, built
from the three Wilson limits and the correlation of o and a. A percentile bootstrap holds 0.77 to 0.89 instead of 0.95
where rates are small. Arrays are [G, M]: groups, and measures side by side.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from audit.statistics._quantiles import plain
from audit.statistics.couples import Couples, Overlap
from audit.statistics.estimates import FEW_EVENTS, Bools, Cells, Floats, Groups, Rates, divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ASSUMPTION", "NEGATIVE", "NO_SUPPORT", "Corrected", "Correction", "Judged", "correct"]

ASSUMPTION = "the judge errs on generated faces as on photographs"
NO_SUPPORT = "the judge can't support a correction"
NEGATIVE = "the judge errs less often on the generated pictures than on the untouched ones, so the rate is shown as 0"

Limits = tuple[Floats, Floats]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Judged:
    """What the judge said of one kind of picture: who is in which group, and what that comes to."""

    cells: Cells
    groups: Groups

    @classmethod
    def of(cls, cells: Cells, values: Floats, counts: Floats) -> Self:
        """From `values` [N, M], 1 where the judge said it, 0 elsewhere, and `counts` [N, M], 1 where an item counts."""
        return cls(cells=cells, groups=Groups.of(cells, values, counts))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Corrected:
    """Corrected rates as a `Sample`, so that they are compared as any other value of a group.

    A value is NaN where the judge does no better than chance (a + b of 1 or more).
    """

    generated: Rates  # o
    untouched: Rates  # a
    other: Rates  # b
    correlation: Floats  # of o and a, which come from the same people

    @property
    def estimate(self) -> Floats:
        """The rate t before it is cut to [0, 1]."""
        o, a, b = self.generated.value, self.untouched.value, self.other.value
        return divide(o - a, 1 - a - b)

    @property
    def value(self) -> Floats:
        return np.clip(self.estimate, 0.0, 1.0)

    @property
    def kish(self) -> Floats:
        """Effective number of subjects of the smallest of the three."""
        return np.minimum(np.minimum(self.generated.kish, self.untouched.kish), self.other.kish)

    @property
    def spread(self) -> Floats:
        t, o, a, b = self.value, self.generated.spread, self.untouched.spread, self.other.spread
        together = 2 * self.correlation * (1 - t) * np.sqrt(o * a)
        variance = np.maximum(0.0, o + (1 - t) ** 2 * a - together + t**2 * b)
        return divide(variance, (1 - self.untouched.value - self.other.value) ** 2)

    def limits(self, critical: Floats) -> Limits:
        return self._inverted(*(rates.limits(critical) for rates in (self.generated, self.untouched, self.other)))

    def interval(self, alpha: float) -> Limits:
        """Low and high for each group by itself, each of the three at its own t(1 - alpha/2; K - 1)."""
        return self._inverted(*self._own_limits(alpha))

    def supported(self, alpha: float) -> Bools:
        """Whether the judge is shown to be better than chance: the upper limits of a and b come to less than 1."""
        _, (_, a_high), (_, b_high) = self._own_limits(alpha)
        return np.asarray(a_high + b_high < 1)

    def log_margins(self, critical: Floats) -> Limits:
        low, high = self.limits(critical)
        positive = np.where(self.value > 0, self.value, np.nan)
        return np.log(positive / np.maximum(low, 1e-300)), np.log(high / positive)

    def take(self, groups: NDArray[Any], measures: NDArray[Any]) -> Self:
        return type(self)(
            generated=self.generated.take(groups, measures),
            untouched=self.untouched.take(groups, measures),
            other=self.other.take(groups, measures),
            correlation=self.correlation[np.ix_(groups, measures)],
        )

    def _own_limits(self, alpha: float) -> tuple[Limits, Limits, Limits]:
        def own(rates: Rates) -> Limits:
            return rates.limits(plain(alpha, np.where(rates.kish > 1, rates.kish - 1, np.nan)))

        return own(self.generated), own(self.untouched), own(self.other)

    def _inverted(self, generated: Limits, untouched: Limits, other: Limits) -> Limits:
        """All t that the limits of o, a and b leave possible. Seen from t = 0 for the lower end and, the same with the
        parts of a and b changed over, from t = 1 for the upper."""
        (o_low, o_high), (a_low, a_high), (b_low, b_high) = generated, untouched, other
        o, a, b, r = self.generated.value, self.untouched.value, self.other.value, self.correlation
        gain = 1 - a - b
        # Margin squared at t: M^2 + (1 - t)^2 A^2 - 2 r (1 - t) M A + t^2 B^2, here by powers of t, then of 1 - t.
        M, A, B = o - o_low, a_high - a, b - b_low
        low = _reached(o - a, gain, M**2 + A**2 - 2 * r * M * A, 2 * r * M * A - 2 * A**2, A**2 + B**2)
        M, A, B = o_high - o, a - a_low, b_high - b
        from_above = _reached(1 - b - o, gain, M**2 + B**2, -2 * r * M * A - 2 * B**2, A**2 + B**2)
        nothing = a_high + b_high >= 1
        return np.where(nothing, 0.0, low), np.where(nothing, 1.0, 1 - from_above)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Correction:
    """What a comparison of corrected rates needs: `gaps.compare` takes `sample`, `overlap` and `evidence`."""

    sample: Corrected
    overlap: Overlap
    low: Floats
    high: Floats
    evidence: Bools  # enough people in all three, and the judge supports a correction
    supported: Bools  # where not: anything from 0 to 1 is possible, and `NO_SUPPORT` is said
    negative: Bools  # the estimate was below 0 and is shown as 0: `NEGATIVE` is said


def correct(generated: Judged, untouched: Judged, other: Judged, *, alpha: float, min_subjects: int) -> Correction:
    """Corrected rates of G groups, from what the judge said of three kinds of pictures.

    Args:
        generated: 1 where a generated picture was judged wrong; the group is that of the person it was made from.
        untouched: 1 where an untouched picture of the same people was judged wrong.
        other: 1 where an untouched picture of somebody of the other label was judged as this group's label; its group
            is the one that it serves, so that a picture may stand in several rows.
        alpha: one minus the confidence level.
        min_subjects: people that a group needs in each of the three to be compared.

    The three number groups and subjects alike: one person has one number wherever they occur, and every group occurs in
    all three (with rows that do not count, where it has none).
    """
    parts = (generated, untouched, other)
    needed = max(min_subjects, 2)
    enough = np.logical_and.reduce([part.groups.subjects >= needed for part in parts])
    rates = [Rates.of(part.groups, enough) for part in parts]
    sample = Corrected(
        generated=rates[0], untouched=rates[1], other=rates[2], correlation=_correlation(generated, untouched)
    )
    supported = sample.supported(alpha)
    low, high = sample.interval(alpha)
    return Correction(
        sample=sample,
        overlap=_overlap(generated, untouched, other, sample),
        low=low,
        high=high,
        evidence=enough & supported,
        supported=supported,
        negative=supported & (sample.estimate < 0),
    )


def _reached(distance: Floats, gain: Floats, constant: Floats, linear: Floats, square: Floats) -> Floats:
    """How far from 0 the first x lies at which distance - gain x is within its margin, cut to [0, 1].

    The margin squared is constant + linear x + square x^2, so x is a root of a quadratic: the one next to 0, written
    without cancellation. There is always one, since at x = distance / gain nothing is left of the distance.
    """
    q0, q1, q2 = distance**2 - constant, -2 * distance * gain - linear, gain**2 - square
    outside = (distance > 0) & (q0 > 0)
    below = -q1 + np.sqrt(np.maximum(0.0, q1**2 - 4 * q2 * q0))
    root = divide(2 * q0, below, otherwise=1.0)
    return np.where(np.isnan(distance), np.nan, np.where(outside, np.clip(root, 0.0, 1.0), 0.0))


def _correlation(generated: Judged, untouched: Judged) -> Floats:
    """Of o and a, through people who are in both. A positive one, which narrows the interval, is believed only when
    both have enough subjects with and without the event."""
    together, o, a = _together(generated, untouched), generated.groups.influence, untouched.groups.influence
    by_person = together.sums(np.concatenate([o, np.zeros_like(a)])) * together.sums(
        np.concatenate([np.zeros_like(o), a])
    )
    shared = together.over_groups(by_person)
    scale = np.sqrt(generated.groups.variance * untouched.groups.variance)
    r = np.clip(divide(shared, scale, otherwise=0.0), -1.0, 1.0)
    few = np.minimum(generated.groups.events, untouched.groups.events) < FEW_EVENTS
    return np.where(few & (r > 0), 0.0, r)


def _overlap(generated: Judged, untouched: Judged, other: Judged, sample: Corrected) -> Overlap:
    """How corrected rates of two groups hang together: a subject's part in t is (o - (1 - t) a + t b) / (1 - a - b).

    Two labels share their untouched pictures: what is a for one is b for the other.
    """
    parts, t = (generated, untouched, other), sample.value
    gain = 1 - sample.untouched.value - sample.other.value
    shares = [divide(share, gain, otherwise=0.0) for share in (np.ones_like(t), t - 1, t)]
    together = _together(*parts)
    moved = [np.nan_to_num(s)[p.cells.group] * p.groups.influence for s, p in zip(shares, parts, strict=True)]
    influence = together.sums(np.concatenate(moved))
    present = together.sums(np.concatenate([p.groups.present.astype(np.float64) for p in parts])) > 0
    groups = dataclasses.replace(
        generated.groups,
        influence=influence,
        present=present,
        variance=together.over_groups(influence**2),
        events=np.minimum(generated.groups.events, untouched.groups.events),
    )
    return Couples(together).overlap(groups, proportion=True)


def _together(*parts: Judged) -> Cells:
    """The cells of several kinds of pictures as one: its items are theirs, one after the other."""
    group = np.concatenate([p.cells.group for p in parts])
    return Cells(group, np.concatenate([p.cells.subject for p in parts]), parts[0].cells.groups)
