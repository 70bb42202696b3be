"""What a probe set can show before there is a model: the smallest gap it finds, and the subjects that it takes.

Two-proportion formulas with three changes: the critical value is the one that a comparison of all groups uses, the
sizes are effective ones (several pictures of one person are less than so many people), and the degrees of freedom
follow from the size that comes out. How alike a model's mistakes are on pictures of one person, rho, is not known
before there is a model: it is an assumption, and whoever prints a figure prints it, too.

Source: Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, ch. 4; Kish's design effect.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics._quantiles import plain, simultaneous
from audit.statistics.estimates import Bools, Floats, wilson

POWER = 0.8  # a gap of the size named is found in four sets of five
_Z = 0.8416212335729143  # its normal quantile
_ENOUGH = 32  # steps of a search: halving that often leaves a billionth


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Shape:
    """How the pictures of G groups spread over people: [G] each; `together` [G, G] is for people in both groups."""

    items: Floats  # N
    subjects: Floats  # S
    squares: Floats  # sum of n^2 over the subjects
    together: Floats  # sum of n_i n_j over the subjects

    @classmethod
    def of(cls, codes: NDArray[np.int64], subjects: NDArray[np.int64], groups: int) -> Self:
        """From each picture's group and subject, [N] both."""
        from scipy.sparse import csr_matrix

        people, person = np.unique(subjects, return_inverse=True)
        table = csr_matrix((np.ones(len(codes)), (codes, person)), shape=(groups, len(people)))
        table.sum_duplicates()
        together = np.asarray((table @ table.T).todense(), dtype=np.float64)
        return cls(
            items=np.bincount(codes, minlength=groups).astype(np.float64),
            subjects=np.diff(table.indptr).astype(np.float64),
            squares=np.diag(together).copy(),
            together=together,
        )

    def take(self, groups: NDArray[np.int64]) -> Self:
        return type(self)(
            items=self.items[groups],
            subjects=self.subjects[groups],
            squares=self.squares[groups],
            together=self.together[np.ix_(groups, groups)],
        )

    @property
    def each(self) -> float:
        """m: mean pictures a subject of a group."""
        return float(self.items.sum() / self.subjects.sum())

    @property
    def heavy(self) -> float:
        """m': of a picture drawn at random, how many its subject has in the group."""
        return float(self.squares.sum() / self.items.sum())

    @property
    def kish(self) -> Floats:
        return np.asarray(self.items**2 / self.squares)

    def effects(self, icc: float) -> Floats:
        """D = 1 + (m' - 1) rho of each group."""
        return np.asarray(1 + (self.squares / self.items - 1) * icc)

    def sizes(self, icc: float) -> Floats:
        """n*: as many independent pictures as each group is worth. One subject goes to the mean."""
        return np.asarray((self.subjects - 1) / self.subjects * self.items / self.effects(icc))

    def correlations(self, icc: float) -> Floats:
        """Correlations r [G, G] of two groups' rates that people who are in both bring about, 0 without such people."""
        scale = np.sqrt(self.items * self.effects(icc))
        return np.asarray(np.minimum(icc * self.together / (scale[:, None] * scale[None, :]), 1.0))


def subjects_to_find(
    low: float, high: float, *, groups: int = 2, alpha: float = 0.05, each: float = 1.0, heavy: float = 1.0,
    icc: float = 0.0,
) -> float:  # fmt: skip
    """Subjects that each of `groups` equal groups needs, so that rates of `low` and `high` are told apart.

    The hardest case: one pair differs and all others lie between.

    Args:
        low, high: two rates.
        groups: how many are compared, 2 to 100.
        alpha: one minus the confidence level.
        each: mean pictures a subject.
        heavy: sum of n^2 over sum of n: the same as `each` where all subjects have as many pictures.
        icc: how alike the outcomes of one person are, 0 to 1.
    """
    middle = (low + high) / 2
    at_equality = math.sqrt(2 * middle * (1 - middle))
    apart = _Z * math.sqrt(low * (1 - low) + high * (1 - high))

    def size(df: float) -> float:
        critical = float(simultaneous(alpha, groups, np.asarray(df)))
        return (critical * at_equality + apart) ** 2 / (high - low) ** 2

    return _subjects(size, each, heavy, icc)


def subjects_to_pass(
    rate: float, bound: float, *, groups: int = 2, alpha: float = 0.05, each: float = 1.0, heavy: float = 1.0,
    icc: float = 0.0,
) -> float:  # fmt: skip
    """Subjects that each group needs, so that a gap is shown to lie within `bound` where there is none at all; the
    arguments are those of `subjects_to_find`.

    n* = p q [(w + sqrt 2 t) / b]^2, with w the range that the groups' values keep to with power 0.8. Where the rate is
    so low that Wilson's interval is far from symmetric that is too few: then the n* at which the interval itself fits.
    """
    spread = float(simultaneous(1 - POWER, groups, np.asarray(np.inf))) * math.sqrt(2)

    def upper(n: float, critical: Floats) -> float:
        """The gap's upper limit with n independent pictures a group, the values that far apart."""
        apart = spread * math.sqrt(rate * (1 - rate) / n)
        least = max(rate - apart / 2, 0.0)
        low, _ = wilson(np.asarray(least), np.asarray(n), critical)
        _, high = wilson(np.asarray(least + apart), np.asarray(n), critical)
        return apart + math.hypot(least - float(low), float(high) - least - apart)

    def size(df: float) -> float:
        critical = plain(alpha, np.asarray(df))
        few = rate * (1 - rate) * ((spread + math.sqrt(2) * float(critical)) / bound) ** 2
        many = few
        while upper(many, critical) > bound:
            few, many = many, 2 * many
        for _ in range(_ENOUGH):
            middle = (few + many) / 2
            few, many = (few, middle) if upper(middle, critical) <= bound else (middle, many)
        return many

    return _subjects(size, each, heavy, icc)


def smallest_gaps(shape: Shape, rate: float, *, alpha: float = 0.05, icc: float = 0.0) -> Floats:
    """The smallest gap that each pair of groups shows with power 0.8, [G, G]: from `rate` in one group to that much
    more in the other, whichever is harder. NaN on the diagonal, and where not even 100 % would be told from `rate`."""
    groups = len(shape.items)
    first, second = np.triu_indices(groups, k=1)
    found = np.full((groups, groups), np.nan)
    size, kish = shape.sizes(icc), shape.kish
    shared = shape.together > 0
    usable = np.minimum(size[first], size[second]) > 0
    first, second = first[usable], second[usable]
    narrower = np.sqrt(1 - shape.correlations(icc)[first, second])
    gaps = [
        _gap(rate, (size[i], size[j]), (kish[i] - 1, kish[j] - 1), shared[first, second], narrower, groups, alpha)
        for i, j in ((first, second), (second, first))
    ]
    harder = np.maximum(*gaps)  # NaN where one of them is
    found[first, second] = found[second, first] = harder
    return found


def _gap(
    rate: float,
    sizes: tuple[Floats, Floats],
    dfs: tuple[Floats, Floats],
    shared: Bools,
    narrower: Floats,
    groups: int,
    alpha: float,
) -> Floats:
    """By how much the second group's rate must lie above `rate`, the first group's: a bisection, [P]."""
    n1, n2 = sizes
    fewest = np.maximum(np.minimum(*dfs), 0.25)

    def excess(high: Floats) -> Floats:
        """Gap less what it takes to see it."""
        v1, v2 = rate * (1 - rate) / n1, high * (1 - high) / n2
        welch = (v1 + v2) ** 2 / (v1**2 / np.maximum(dfs[0], 0.25) + v2**2 / np.maximum(dfs[1], 0.25))
        critical = simultaneous(alpha, groups, np.where(shared, fewest, welch))
        middle = (n1 * rate + n2 * high) / (n1 + n2)
        needed = critical * np.sqrt(middle * (1 - middle) * (1 / n1 + 1 / n2)) + _Z * np.sqrt(v1 + v2)
        return np.asarray(high - rate - needed * narrower)

    low, high = np.full(len(n1), rate), np.ones(len(n1))
    possible = excess(high) >= 0
    for _ in range(_ENOUGH):
        middle = (low + high) / 2
        enough = excess(middle) >= 0
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(possible, high - rate, np.nan)


def _subjects(size: Callable[[float], float], each: float, heavy: float, icc: float) -> float:
    """S = n* D / m + 1, with n* at the degrees of freedom of two groups of S."""
    effect = 1 + (heavy - 1) * icc
    subjects = math.inf
    for _ in range(_ENOUGH):
        before, subjects = subjects, size(2 * max(subjects - 1, 1)) * effect / each + 1
        if abs(subjects - before) < 1e-6 * subjects:
            break
    return subjects
