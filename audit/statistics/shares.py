"""Means of shares, values between 0 and 1, where every item of a group has 0, or every item has 1.

Such a group shows no variance at all, and Student's interval of width 0 would claim to know its mean. It doesn't: a
rare item with another value may just not have been met. Of all variables between 0 and 1 with a given mean none varies
more than one that is only ever 0 or 1, so Wilson's interval for a proportion of K independent items, one a subject,
is wide enough there, as it is for a rate without an event. Everywhere else the mean keeps its own interval.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics.estimates import Bools, Floats, Means, Rates

UNITS = ("proportion", "share")  # of measures whose values lie between 0 and 1
_EDGE = 1e-12  # what rounding may leave between a mean of zeros or ones and the edge


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Shares:
    """Means with Wilson's limits where `edge` [G, M]; a `Sample`, so that pairs and gaps have them too."""

    means: Means
    edge: Bools

    @classmethod
    def of(cls, means: Means, share: Bools) -> Self:
        """`share` [M]: which measures' values lie between 0 and 1."""
        return cls(means=means, edge=share & ((np.abs(means.value) <= _EDGE) | (np.abs(means.value - 1) <= _EDGE)))

    @property
    def value(self) -> Floats:
        return self.means.value

    @property
    def kish(self) -> Floats:
        return self.means.kish

    @property
    def spread(self) -> Floats:
        return np.where(self.edge, self._rates.spread, self.means.spread)

    def limits(self, critical: Floats) -> tuple[Floats, Floats]:
        return self._chosen(self._rates.limits(critical), self.means.limits(critical))

    def log_margins(self, critical: Floats) -> tuple[Floats, Floats]:
        return self._chosen(self._rates.log_margins(critical), self.means.log_margins(critical))

    def take(self, groups: NDArray[Any], measures: NDArray[Any]) -> Self:
        return type(self)(means=self.means.take(groups, measures), edge=self.edge[np.ix_(groups, measures)])

    @property
    def _rates(self) -> Rates:
        """The groups at the edge as proportions of K items; elsewhere any that can be worked with."""
        value = np.where(self.edge, np.round(self.means.value), 0.5)
        return Rates(value=value, kish=self.means.kish, size=self.means.kish)

    def _chosen(self, at_edge: tuple[Floats, Floats], inside: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        return np.where(self.edge, at_edge[0], inside[0]), np.where(self.edge, at_edge[1], inside[1])
