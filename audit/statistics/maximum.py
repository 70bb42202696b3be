"""Maps by group: which cells differ, at one error rate for all cells and all groups of an attribute together.

A map has dozens of cells and an attribute several groups, so the largest of many differences is never small. The
question is turned round: were the groups alike, how large would the largest difference of all be by chance alone? A
cell differs when its own difference is beyond what that maximum keeps to, 1 - alpha of the time (maximum statistic).

* Weights as everywhere in this package: every image counts once, M = sum x_s / sum n_s, and the variance is over
  subjects, V = S/(S-1) sum_s (x_s - M n_s)^2 / N^2 (the linearized jackknife). So showing every picture twice changes
  nothing.
* Statistic of a cell and a group g against the rest r of its stratum: |M_g - M_r| / sqrt(V_g + V_r). Studentized, so
  that a group that is small or spreads widely is not found by that alone.
* Chance: subjects, with all their pictures, are dealt out to the groups anew; a subject who is in several groups stays,
  and only its parts change places among the groups that it has. Giving subjects random signs would cost less, but maps
  are clipped at zero, so shares of far-off cells are skewed: with groups of 30 people it marked a cell in 11 to 32 of
  100 simulated probe sets without a difference, where the permutation keeps to 5 whatever the shape.
* p of a cell is (b + 1) / (R + 1), b of R draws having a maximum at least as large; p of a group's whole map is that of
  its clearest cell.

What it assumes: without a difference subjects are exchangeable, spread included. A small group whose maps spread twice
as widely around the same mean gets a mark in 11 of 100 sets in place of 5 (60 against 300 people, simulated).

Source: P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing, 1993; for pictures T. E. Nichols and A. P.
Holmes, Human Brain Mapping 15, 2002; studentized after A. Janssen, Statistics and Probability Letters 36, 1997.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from audit.statistics.estimates import Bools, Cells, Floats, divide

Index = NDArray[np.int64]

DRAWS = 2_000
_AT_ONCE = 1_000_000  # labels in memory together
_SAME = 1e-9  # relative: closer than this are ties
_LEAST = 1e-12  # of a variance, in units of the cell's own: what is all alike has rounding errors only


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Compared:
    """Of G groups and C cells. p is NaN where a group is not tested or has nothing to be compared with."""

    mean: Floats  # [G, C]
    rest: Floats  # [G, C], mean of the groups that it is compared with; NaN where there is none
    statistic: Floats  # [G, C], signed
    p_cells: Floats  # [G, C], over all cells and groups
    p: Floats  # [G], of the whole map


def compared(
    cells: Cells, values: Floats, tested: Bools, strata: Index, *, seed: int = 0, draws: int = DRAWS
) -> Compared:
    """Each group's mean map against that of the other tested groups of its stratum.

    Args:
        cells: who is in which group.
        values: [N, C], one row an image; each image's map adds up to 1.
        tested: [G], groups with the evidence; the others are compared and not tested, and are in nobody's rest.
        strata: [G]; groups are compared within a stratum only.
        seed: of the draws.
        draws: how many.
    """
    x, n = cells.sums(values), cells.sums(np.ones((len(values), 1)))[:, 0]
    total, items = cells.over_groups(x), cells.over_groups(n[:, None])
    mean = total / items
    rest = np.full_like(mean, np.nan)
    statistic, p_cells = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    deals: list[_Deal] = []
    for stratum in np.unique(strata):
        inside = np.flatnonzero((strata == stratum) & tested)
        for group in np.flatnonzero(strata == stratum):
            others = inside[inside != group]
            if len(others):
                rest[group] = total[others].sum(axis=0) / items[others].sum()
        if len(inside) > 1:
            deals.append(_Deal.of(cells, x, n, inside))
    largest = np.zeros(draws)
    for number, deal in enumerate(deals):
        statistic[deal.groups] = deal.statistic(deal.labels[None])[0]
        deal.raise_to(largest, np.random.default_rng([seed, number]))
    largest.sort()
    for deal in deals:
        seen = np.abs(statistic[deal.groups]) * (1 - _SAME)
        p_cells[deal.groups] = (draws - np.searchsorted(largest, seen, side="left") + 1) / (draws + 1)
    return Compared(mean=mean, rest=rest, statistic=statistic, p_cells=p_cells, p=p_cells.min(axis=1))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Deal:
    """The U units (group x subject) of one stratum, in an order that only their values make: the same draw then means
    the same whatever groups and subjects are called, and in which order they came."""

    groups: Index  # [K], which groups these are, the smallest first
    labels: Index  # [U], where each unit is: into `groups`
    several: tuple[tuple[int, int], ...]  # (groups a subject is in, how many such subjects); units stand in this order
    sizes: Index  # [K], units a group
    weights: Floats  # [U], images
    scaled: Floats  # [U, C or 2C or 3C]: what is summed by group beside the weights
    alike: float  # images a unit where all have as many, else 0

    @classmethod
    def of(cls, cells: Cells, x: Floats, n: Floats, groups: Index) -> Self:
        at = np.flatnonzero(np.isin(cells.group, groups))
        group, subject, x, n = cells.group[at], cells.subject[at], x[at], n[at]
        e = x - n[:, None] * (x.sum(axis=0) / n.sum())
        spread = np.sqrt((e**2).mean(axis=0))
        e = divide(e, np.where(spread > _LEAST * n.max(), spread, np.inf)[None], otherwise=0.0)
        key = x @ np.sin(np.arange(1.0, x.shape[1] + 1))  # one number for what a unit holds
        _, whose, count = np.unique(subject, return_inverse=True, return_counts=True)
        order = np.lexsort((key, whose, np.bincount(whose, key)[whose], count[whose]))
        held = [(int((group == g).sum()), float(key[group == g].sum()), int(g)) for g in groups]
        ranked = np.array([g for _, _, g in sorted(held)], dtype=np.int64)
        place = np.zeros(int(groups.max()) + 1, dtype=np.int64)
        place[ranked] = np.arange(len(ranked))
        each, subjects = np.unique(count, return_counts=True)
        e, n = e[order], n[order]
        alike = float(n[0]) if (n == n[0]).all() else 0.0
        return cls(
            groups=ranked,
            labels=place[group[order]],
            several=tuple(zip(each.tolist(), subjects.tolist(), strict=True)),
            sizes=np.array([size for size, _, _ in sorted(held)]),
            weights=n,
            scaled=np.hstack([e, e**2] if alike else [e, e**2, e * n[:, None]]),
            alike=alike,
        )

    def raise_to(self, largest: Floats, rng: np.random.Generator) -> None:
        """Bring each draw's maximum [R] up to the largest statistic of this stratum in that draw."""
        start = 0
        for labels in self._dealt(rng, len(largest)):
            here = largest[start : start + len(labels)]
            # Of two groups, one is the other turned round.
            np.maximum(here, np.abs(self.statistic(labels, half=len(self.groups) == 2)).max(axis=(1, 2)), out=here)
            start += len(labels)

    def _dealt(self, rng: np.random.Generator, draws: int) -> Iterator[Index]:
        """Labels [r, U], some draws at a time."""
        step = max(1, _AT_ONCE // (len(self.labels) + self.scaled.shape[1] * len(self.groups)))
        for start in range(0, draws, step):
            some, parts, at = min(step, draws - start), [], 0
            for each, subjects in self.several:
                own = self.labels[at : at + each * subjects]
                # Those in one group only change places with one another, the others with themselves.
                block = own[None, None] if each == 1 else np.sort(own.reshape(1, subjects, each))
                parts.append(rng.permuted(np.repeat(block, some, axis=0), axis=-1).reshape(some, -1))
                at += each * subjects
            yield np.hstack(parts)

    def statistic(self, labels: Index, *, half: bool = False) -> Floats:
        """Signed, [r, K, C] for labels [r, U]; `half`: of the first group only."""
        kept = range(1 if half else len(self.groups))
        totals, weighed = self.scaled.sum(axis=0), np.stack([self.weights, self.weights**2], axis=1)
        found = []
        for group in kept:
            member = (labels == group).astype(np.float64)
            sums, counts = member @ self.scaled, member @ weighed
            size = int(self.sizes[group])
            own, spread = self._mean(sums, counts, size)
            rest, beyond = self._mean(totals - sums, weighed.sum(axis=0) - counts, len(self.labels) - size)
            found.append((own - rest) / np.sqrt(np.maximum(spread + beyond, _LEAST)))
        return np.stack(found, axis=1)

    def _mean(self, sums: Floats, counts: Floats, subjects: int) -> tuple[Floats, Floats]:
        """Means [r, C] and their variances, from sums over a group's units."""
        width = self.scaled.shape[1] // (2 if self.alike else 3)
        total, squares = sums[:, :width], sums[:, width : 2 * width]
        mixed = self.alike * total if self.alike else sums[:, 2 * width :]
        items, squared = counts[:, :1], counts[:, 1:]
        mean = total / items
        within = squares - 2 * mean * mixed + mean**2 * squared
        return mean, within / items**2 * (subjects / max(subjects - 1, 1))
