"""Made-up people for the simulations: who is in which group with how many pictures, and values drawn for them.

Everything is drawn by cell (group x subject) for many runs at once: an array [cells, runs] of sums over a subject's
pictures. `Groups.of` takes those sums as it takes single pictures, so that what is simulated is the audit's own code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from audit.statistics.couples import Couples
from audit.statistics.disparity import Gap, Pairs
from audit.statistics.estimates import Cells, Groups, Means, Rates
from audit.statistics.kinds import KINDS

Row = dict[str, Any]
Draw = Callable[[np.random.Generator, int], np.ndarray]  # (generator, runs) -> sums [cells, runs]

ALPHA = 0.05
_VALUES = 400_000  # in memory together


@dataclasses.dataclass(frozen=True)
class People:
    """Cells sorted by group: whose each is, and how many pictures it has."""

    group: np.ndarray
    subject: np.ndarray
    images: np.ndarray

    @classmethod
    def apart(cls, sizes: Sequence[int], images: int | Sequence[int] | np.ndarray) -> People:
        """So many people in each group, each with as many pictures, or with as many as is said of each group."""
        group = np.repeat(np.arange(len(sizes)), sizes)
        each = np.broadcast_to(np.asarray(images), (len(sizes),))[group] if np.ndim(images) < 2 else images
        return cls(group, np.arange(len(group)), np.asarray(each))

    @property
    def groups(self) -> int:
        return int(self.group.max()) + 1


def blocks(runs: int, cells: int) -> Iterator[int]:
    """Numbers of runs that fit into memory together and add up to `runs`."""
    at_once = max(20, min(runs, _VALUES // cells))
    while runs > 0:
        yield min(runs, at_once)
        runs -= at_once


def rates(people: People, rate: np.ndarray, icc: float) -> Draw:
    """Sums of 0 and 1 that are alike within a subject (beta-binomial); `rate` is each group's."""
    from scipy import stats

    kinds, which = np.unique(np.column_stack([people.images, people.group]), axis=0, return_inverse=True)

    def cumulated(images: int, p: float) -> np.ndarray:
        k = np.arange(images)
        if icc == 0 or images == 1:
            return np.asarray(stats.binom.cdf(k, images, p))
        return np.asarray(stats.betabinom.cdf(k, images, p * (1 / icc - 1), (1 - p) * (1 / icc - 1)))

    tables = [cumulated(int(images), float(rate[group])) for images, group in kinds]

    def draw(rng: np.random.Generator, runs: int) -> np.ndarray:
        sums = np.empty((len(people.group), runs))
        for number, table in enumerate(tables):
            rows = np.flatnonzero(which.reshape(-1) == number)
            sums[rows] = np.searchsorted(table, rng.random((len(rows), runs)), side="right")
        return sums

    return draw


def shared_rates(people: People, rate: np.ndarray, icc: float) -> Draw:
    """As `rates`, for subjects who are in several groups: one person is as prone to the event in all of them.

    A person's place among people is drawn once and looked up in each group's own beta distribution, which keeps every
    group's rate exact; between 4,001 quantiles it is a straight line.
    """
    from scipy import stats

    _, person = np.unique(people.subject, return_inverse=True)
    places = np.linspace(0, 1, 4001)
    curves = [stats.beta.ppf(places, p * (1 / icc - 1), (1 - p) * (1 / icc - 1)) for p in rate]
    counted = [c * p / _mean_of_curve(c) for c, p in zip(curves, rate, strict=True)]
    cells = [np.flatnonzero(people.group == g) for g in range(people.groups)]

    def draw(rng: np.random.Generator, runs: int) -> np.ndarray:
        place = rng.random((person.max() + 1, runs))
        sums = np.empty((len(people.group), runs))
        for rows, curve in zip(cells, counted, strict=True):
            prone = np.minimum(1.0, np.interp(place[person[rows]], places, curve))
            sums[rows] = rng.binomial(people.images[rows][:, None], prone)
        return sums

    return draw


def _mean_of_curve(curve: np.ndarray) -> float:
    return float((curve[:-1] + curve[1:]).mean() / 2)


def skewed(people: People, mean: np.ndarray, cv: float, icc: float = 0.5) -> Draw:
    """Sums of lognormal values with this coefficient of variation: a subject's effect times a picture's."""
    total = np.log1p(cv**2)
    of_subject, of_image = np.sqrt(total * icc), np.sqrt(total * (1 - icc))
    level = np.log(mean) - total / 2

    def draw(rng: np.random.Generator, runs: int) -> np.ndarray:
        start = level[people.group][:, None] + of_subject * rng.standard_normal((len(people.group), runs))
        sums = np.zeros_like(start)
        for nth in range(int(people.images.max())):
            rows = np.flatnonzero(people.images > nth)
            sums[rows] += np.exp(start[rows] + of_image * rng.standard_normal((len(rows), runs)))
        return sums

    return draw


def estimated(people: People, sums: np.ndarray, *, proportion: bool) -> tuple[Cells, Groups, Rates | Means]:
    """The audit's own estimates of each run, every group having the evidence."""
    cells = Cells(people.group, people.subject, people.groups)
    counts = np.repeat(people.images[:, None].astype(np.float64), sums.shape[1], axis=1)
    groups = Groups.of(cells, sums, counts)
    evidence = np.ones_like(groups.mean, dtype=bool)
    if proportion:
        return cells, groups, Rates.of(groups, evidence)
    return cells, groups, Means.of(groups, evidence, np.ones(sums.shape[1], dtype=bool))


def gaps(people: People, draw: Draw, *, proportion: bool, runs: int, seed: Sequence[int]) -> dict[str, Gap]:
    """Every kind of gap in each run, [runs]."""
    rng = np.random.default_rng(list(seed))
    found: dict[str, list[Gap]] = {kind: [] for kind in KINDS}
    for some in blocks(runs, max(len(people.group), people.groups**2)):
        cells, groups, sample = estimated(people, draw(rng, some), proportion=proportion)
        pairs = Pairs(sample, Couples(cells).overlap(groups, proportion=proportion), ALPHA)
        for kind in KINDS:
            found[kind].append(getattr(pairs, kind)())
    return {
        kind: Gap(**{name: np.concatenate([getattr(g, name) for g in some]) for name in ("value", "low", "high")})
        for kind, some in found.items()
    }


def truth(means: np.ndarray, kind: str) -> float:
    """What a kind comes to when the groups are known exactly."""
    return float(KINDS[kind](means[:, None])[0])


def covered(claim: str, cell: str, gap: Gap, expected: float, bar: float) -> Row:
    """A row of the table: how often no false interval was given, how often it lay above the truth, and how often there
    was none (a group without a single event has no geometric mean), which is no false one."""
    some = np.isfinite(gap.low) & np.isfinite(gap.high)
    low, high, runs, room = gap.low[some], gap.high[some], len(gap.low), 1e-9
    above, below = np.count_nonzero(low > expected + room), np.count_nonzero(high < expected - room)
    return {
        "claim": claim,
        "cell": cell,
        "bar": bar,
        "measured": float(1 - (above + below) / runs),
        "runs": runs,
        "above the truth": float(above / runs),
        "mean width": float(np.mean(high - low)) if len(low) else None,
        "no interval": float(1 - len(low) / runs),
    }
