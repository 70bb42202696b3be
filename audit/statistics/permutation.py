"""The 15-image mode: what a handful of pictures can say about a ratio of means, by permutation.

With too few subjects for an interval, the question is turned round: were the groups alike, how often would chance
alone bring group means as far apart as these? Whole subjects, with all their pictures, are dealt out to the groups
anew, in every way there is or in 2,000 random ones. Where an attribute varies within a subject, that subject stays,
and its cells (its pictures of one group, taken together) change places among the groups that it has; subjects who are
in one group only change places with each other.

What it assumes: without a difference, subjects (or the cells of one subject) are exchangeable, that is, their values
have the same distribution in every group, spread and number of pictures included. So a small p can also come from
groups that only spread differently; the statistic below is chosen so that this matters little.

Statistic: max over pairs |ln M_i - ln M_j| / sqrt(V_i / M_i^2 + V_j / M_j^2), with M a group's mean and V its
delete-one-subject jackknife variance; the ratio of the smallest to the largest mean itself, which sees more, where all
groups have the same number of subjects and of items, so that no group is noisier by its size alone.
p is the share of all arrangements that are at least as extreme as the one seen; of R random ones (b + 1) / (R + 1).
These depend on the seed and on who is in which group: a measure's p is the same whatever else is measured.

Source: R. A. Fisher, The Design of Experiments, 1935; studentized after A. Janssen, Statistics and Probability Letters
36, 1997; never 0 after B. Phipson and G. K. Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from audit.result import Disparity
from audit.statistics._arrangements import Design, Index
from audit.statistics.estimates import Bools, Cells, Floats, divide

METHOD = "permutation"
MOST_UNITS = 3_000  # a hundred groups just under thirty subjects; more subjects have better ways than this

_AT_ONCE = 300_000  # values in memory together
_SAME = 1e-9  # relative: closer than this are ties
_LEAST = 1e-18  # of a relative variance: values that are all alike have rounding errors only
_NOTHING = 1e-300  # stands for a mean of 0, which has no logarithm
_BEYOND = 600.0  # a difference of logarithms that only such a mean makes


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Permuted:
    """`null_quantile`: without a difference the ratio lies above it 1 - alpha of the time. None: can't be had, and the
    note says why."""

    p_value: float | None = None
    null_quantile: float | None = None
    note: str


def with_permutation(disparity: Disparity, found: Permuted) -> Disparity:
    """The row with its p. The quantile is of the ratio; the p is one for all kinds, which ask the same."""
    return dataclasses.replace(
        disparity,
        p_value=found.p_value,
        p_method=METHOD if found.p_value is not None else None,
        null_quantile=found.null_quantile if disparity.kind == "ratio" else None,
        note="; ".join(filter(None, (disparity.note, found.note))),
    )


def permuted(
    cells: Cells, values: Floats, counts: Floats, stated: Bools, *, alpha: float = 0.05, seed: int = 0
) -> list[Permuted | None]:
    """Permutation p of the ratio of group means for each of M measures; None where fewer than two groups have a value.

    Args:
        cells: the grouping.
        values: [N, M], not negative; 0 where an item does not count.
        counts: [N, M], 1 where an item counts, else 0.
        stated: [G], groups that take part.
        alpha: for the quantile, one minus its level.
        seed: of the random arrangements, where there are too many to look at all.
    """
    x, n = cells.sums(values), cells.sums(counts)
    present = (n > 0) & stated[cells.group][:, None]
    done: list[Permuted | None] = [None] * x.shape[1]
    # Measures that have a value for the same cells share their arrangements.
    patterns, which = np.unique(present, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        columns = np.flatnonzero(which.reshape(-1) == number)
        if len(np.unique(cells.group[pattern])) < 2:
            continue
        here = np.ix_(pattern, columns)
        found = _of_cells(cells.group[pattern], cells.subject[pattern], x[here], n[here], alpha=alpha, seed=seed)
        for column, permutation in zip(columns.tolist(), found, strict=True):
            done[column] = permutation
    return done


def _of_cells(group: Index, subject: Index, x: Floats, n: Floats, *, alpha: float, seed: int) -> Iterator[Permuted]:
    """From the sums and counts [C, M] of cells that all count."""
    design = Design.of(group, subject)
    units = len(design.cells)
    if units > MOST_UNITS:
        note = f"no p: a permutation is for few subjects, at most {MOST_UNITS:,}, not for {units:,}"
        yield from (Permuted(note=note) for _ in range(x.shape[1]))
        return
    x, n = x[design.cells], n[design.cells]
    of_group = np.bincount(design.groups)
    items = np.stack([n[design.groups == g].sum(axis=0) for g in range(len(of_group))])
    alike = (of_group == of_group[0]).all() & (items == items[0]).all(axis=0)
    spread = ~alike if of_group.min() > 1 else np.zeros_like(alike)  # which statistics need a variance that exists
    observed = _Statistics.of(design.groups[None], x, n, spread)
    labels, exact = design.arrangements(seed)
    dealt = _every(labels, *_in_order(design.blocks, x, n), spread)
    chosen = np.where(alike, dealt.apart, dealt.studentized)
    extreme = (chosen >= np.where(alike, observed.apart, observed.studentized) * (1 - _SAME)).sum(axis=0)
    p = extreme / len(labels) if exact else (extreme + 1) / (len(labels) + 1)
    rank = int(alpha * len(labels))
    quantile = np.exp(-np.sort(dealt.apart, axis=0)[len(labels) - 1 - rank])
    how = _how(design, len(labels), exact=exact)
    few = design.count() < 1 / alpha
    for column in range(x.shape[1]):
        if not x[:, column].any():
            yield Permuted(note="no p: the mean of every group is 0")
        elif not alike[column] and not spread[column]:
            yield Permuted(note="no p: a group has only one subject, so how much its subjects differ is not known")
        elif few:
            note = f"{how}, too few for a p below {alpha:g} whatever the difference"
            yield Permuted(p_value=float(p[column]), note=note)
        else:
            yield Permuted(p_value=float(p[column]), null_quantile=float(quantile[column]), note=how)


def _how(design: Design, ways: int, *, exact: bool) -> str:
    number = ("the only way" if ways == 1 else f"all {ways:,} ways") if exact else f"{ways:,} random ways"
    if not design.within:
        return f"permutation over {number} to deal {len(design.cells):,} subjects out to the groups"
    others = " and between subjects who are in one only" if design.between else ""
    return f"permutation over {number} to exchange groups within subjects{others}"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class _Statistics:
    """Of R arrangements and M measures: [R, M]."""

    apart: Floats  # ln of the largest over the smallest mean
    studentized: Floats  # NaN for measures whose variances were not asked for

    @classmethod
    def of(cls, labels: Index, x: Floats, n: Floats, spread: Bools) -> _Statistics:
        """Of arrangements `labels` [R, U] of units with sums and counts [U, M]; `spread` [M]: studentize these."""
        order = np.argsort(labels, axis=1, kind="stable")
        sizes = np.bincount(labels[0])
        starts = np.cumsum(sizes) - sizes
        total, items = (np.add.reduceat(v[order], starts, axis=1) for v in (x, n))
        mean = total / items
        logs = np.log(np.maximum(mean, _NOTHING))
        studentized = np.full((len(labels), x.shape[1]), np.nan)
        if spread.any():
            xs, ns, means = x[:, spread][order], n[:, spread][order], mean[:, :, spread]
            of_unit = (np.repeat(v, sizes, axis=1) for v in (means, items[:, :, spread]))
            influence = (xs - next(of_unit) * ns) / (next(of_unit) - ns)
            shrink = ((sizes - 1) / sizes)[:, None]
            variance = np.add.reduceat(influence**2, starts, axis=1) * shrink
            relative = np.maximum(divide(variance, means**2, otherwise=0.0), _LEAST)
            studentized[:, spread] = _largest(logs[:, :, spread], relative)
        return cls(apart=_gap(logs.max(axis=1) - logs.min(axis=1)), studentized=studentized)


def _every(labels: Index, x: Floats, n: Floats, spread: Bools) -> _Statistics:
    """As many arrangements at a time as fit."""
    step = max(1, _AT_ONCE // x.size)
    parts = [_Statistics.of(labels[at : at + step], x, n, spread) for at in range(0, len(labels), step)]
    return _Statistics(
        apart=np.concatenate([part.apart for part in parts]),
        studentized=np.concatenate([part.studentized for part in parts]),
    )


def _in_order(blocks: Index, x: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The units of each block by their values, measure by measure: the same arrangement drawn then means the same,
    whatever the subjects are called and in which order they came."""
    order = np.stack([np.lexsort((n[:, m], x[:, m] / n[:, m], blocks)) for m in range(x.shape[1])], axis=1)
    return np.take_along_axis(x, order, axis=0), np.take_along_axis(n, order, axis=0)


def _largest(logs: Floats, relative: Floats) -> Floats:
    """Over the pairs of groups: [R, M] from [R, G, M]."""
    most = np.zeros((logs.shape[0], logs.shape[2]))
    for group in range(1, logs.shape[1]):
        gap = _gap(np.abs(logs[:, :group] - logs[:, group, None]))
        np.maximum(most, (gap / np.sqrt(relative[:, :group] + relative[:, group, None])).max(axis=1), out=most)
    return most


def _gap(x: Floats) -> Floats:
    """A difference of logarithms: rounding errors are nothing, and a mean of 0 is further off than any other."""
    return np.where(x < 1e-12, 0.0, np.where(x > _BEYOND, np.inf, x))
