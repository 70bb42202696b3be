"""What is no mean over items (an area under a curve, a calibration error), with the same variance as what is one.

A mean's variance is the delete-one-subject jackknife's: sum of h^2, h = (M - M without the subject) sqrt((S - 1)/S).
For any other statistic the same h stands for what each subject does to it, so intervals, pairs and p come from the same
formulas. Nothing is computed again for each subject: a statistic says in closed form what it is without each of
them, in one pass over the items. So all subjects are left out one by one, and no blocks of subjects are needed, which
would have to be drawn somehow and would leave at most 99 degrees of freedom.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics.estimates import Bools, Cells, Floats, Groups, Means, Sample, divide, wilson

_BOUNDLESS = np.exp(700.0)  # as far down as a ratio's limits go: a lower limit of 0


class Statistic(Protocol):
    """A number for the items of a group that is no mean of them."""

    def groups(self, cells: Cells) -> Groups:
        """Value and jackknife by group, [G, 1] and [C, 1], of the items that `cells` was made of."""

    def sample(self, groups: Groups, evidence: Bools) -> Sample:
        """Their intervals, groups with evidence [G, 1] helping each other out."""


def jackknife(
    cells: Cells, value: Floats, without: Floats, counts: Floats, *, kish: Floats | None = None, events: Floats
) -> Groups:
    """The groups of a statistic, from what it is without each subject.

    Args:
        cells: subjects by group.
        value: [G], NaN where a group has none.
        without: [C], the group's value without the items of this cell's subject, NaN where nothing would be left.
        counts: [C], items that count.
        kish: [G], effective number of subjects where it is not that of the items that count.
        events: [G], as in `Groups`: where few people are behind what was seen, a small variance is not believed.
    """
    present = counts > 0
    items = cells.over_groups(counts)
    subjects = cells.over_groups(present.astype(np.float64))
    left = divide(subjects - 1, subjects, otherwise=0.0)[cells.group]
    moved = np.where(present, value[cells.group] - without, 0.0)
    influence = np.where(np.isfinite(moved), moved, 0.0) * np.sqrt(left)
    size = divide(items**2, cells.over_groups(counts**2)) if kish is None else kish
    variance = np.where((subjects >= 2) & (size > 1) & np.isfinite(value), cells.over_groups(influence**2), np.nan)
    found = (items, subjects, value, size, variance, events, influence)
    names = ("items", "subjects", "mean", "kish", "variance", "events", "influence")
    return Groups(**{name: array[:, None] for name, array in zip(names, found, strict=True)}, present=present[:, None])


def of_sums(cells: Cells, sums: Floats, statistic: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """Value [G] and value without each subject [C] of a statistic that depends on sums over subjects alone.

    Args:
        cells: subjects by group.
        sums: [C, P], what each cell adds to each of P sums.
        statistic: from sums [X, P] to values [X], NaN where there is none.
    """
    total = cells.over_groups(sums)
    return statistic(total), statistic(total[cells.group] - sums)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Roots:
    """Square roots, between 0 and 1, of what can be estimated without bias only before the root is taken.

    The limits are the roots of the limits, and a square that came out negative is 0. Where all people but a `few` are
    alike, the squares' variance says little: then the upper limit is at least that of a share of which none was seen.
    """

    squares: Means
    few: Bools

    @property
    def value(self) -> Floats:
        return _root(self.squares.value)

    @property
    def kish(self) -> Floats:
        return self.squares.kish

    @property
    def spread(self) -> Floats:
        return self.squares.spread

    def limits(self, critical: Floats) -> tuple[Floats, Floats]:
        low, high = (_root(limit) for limit in self.squares.limits(critical))
        least = wilson(np.zeros_like(high), self.kish, critical)[1]
        return low, np.minimum(np.where(self.few, np.fmax(high, least), high), 1.0)

    def log_margins(self, critical: Floats) -> tuple[Floats, Floats]:
        low, high = self.limits(critical)
        value = np.where(self.value > 0, self.value, np.nan)
        below = np.log(divide(value, low, otherwise=_BOUNDLESS))
        return np.where(value > 0, below, np.nan), np.log(high / value)

    def take(self, groups: NDArray[Any], measures: NDArray[Any]) -> Self:
        return type(self)(squares=self.squares.take(groups, measures), few=self.few[np.ix_(groups, measures)])


def _root(x: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(x, 0.0)))
