"""From the pairs of groups to the record's rows: which groups are compared, who is worst, what must be noted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.result import Disparity, Pair
from audit.statistics.disparity import Gap, Intervals, Overlap, Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.groups import Grouping
    from audit.statistics.estimates import Bools, Sample

    Index = NDArray[np.int64]

PAIRS_UP_TO = 12  # groups of an attribute whose pairs are all listed

_ALL_ZERO = "every group is at 0, so there is no ratio: anything from 0 to 1 is possible"
_ONE_ZERO = "a group is at 0, so the ratio is 0: its upper limit is what the counts leave possible"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One measure over the groups of one attribute; without disparities where there is nothing to compare."""

    disparities: tuple[Disparity, ...] = ()
    pairs: tuple[Pair, ...] = ()


def compare(
    grouping: Grouping,
    sample: Sample,
    overlap: Overlap,
    evidence: Bools,
    better: Sequence[str],
    ratios: Sequence[bool],
    alpha: float,
) -> list[Comparison]:
    """Compare the groups of each of M measures, measures with the same evidence together.

    Args:
        grouping: at most 100 groups.
        sample: [G, M].
        overlap: [G, G, M].
        evidence: [G, M], groups that take part.
        better: "lower", "higher" or "none", for each measure.
        ratios: whether a ratio of its values means anything, for each measure.
        alpha: one minus the confidence level.
    """
    done = [Comparison()] * len(better)
    patterns, which = np.unique(evidence, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        rows, columns = np.flatnonzero(patterns[:, number]), np.flatnonzero(which.reshape(-1) == number)
        if len(rows) >= 2:
            pairs = Pairs(sample.take(rows, columns), overlap.take(rows, columns), alpha)
            judged = _Judged(grouping, sample, rows, columns, pairs)
            for at, column in enumerate(columns.tolist()):
                done[column] = judged.comparison(at, better[column], ratio=ratios[column])
        else:
            for column in columns.tolist():
                done[column] = _described(grouping, sample, rows, column, better[column], ratio=ratios[column])
    return done


class _Judged:
    """Measures of which the same groups, at least two, have evidence."""

    def __init__(self, grouping: Grouping, sample: Sample, rows: Index, columns: Index, pairs: Pairs) -> None:
        self._grouping, self._rows, self._pairs = grouping, rows, pairs
        self._values = sample.value[np.ix_(rows, columns)]
        self._gaps = (("difference", pairs.difference()), ("ratio", pairs.ratio()))
        self._listed = len(rows) <= PAIRS_UP_TO
        if self._listed:
            self._differences, self._ratios = pairs.differences(), pairs.ratios()

    def comparison(self, at: int, better: str, *, ratio: bool) -> Comparison:
        values = self._values[:, at]
        rows = [
            _disparity(self._grouping, kind, self._rows, values, better, limits=(gap, at))
            for kind, gap in self._gaps
            if ratio or kind == "difference"
        ]
        return Comparison(disparities=tuple(rows), pairs=tuple(self._pair_rows(at, ratio=ratio)))

    def _pair_rows(self, at: int, *, ratio: bool) -> Iterator[Pair]:
        if not self._listed:
            return
        keys = [self._grouping.keys[row] for row in self._rows]
        for n, (i, j) in enumerate(zip(self._pairs.first, self._pairs.second, strict=True)):
            difference = _triple(self._differences, n, at)
            share = _upright(*_triple(self._ratios, n, at)) if ratio else (math.nan,) * 3
            yield Pair(
                attribute=self._grouping.name,
                first=keys[i],
                second=keys[j],
                difference=_number(difference[0]),
                difference_low=_number(difference[1]),
                difference_high=_number(difference[2]),
                ratio=_number(share[0]),
                ratio_low=_number(share[1]),
                ratio_high=_number(share[2]),
            )


def _described(grouping: Grouping, sample: Sample, rows: Index, column: int, better: str, *, ratio: bool) -> Comparison:
    """The gap over all stated groups with a value, for what it is worth: no interval."""
    stated = np.flatnonzero(grouping.stated & np.isfinite(sample.value[:, column]))
    if len(stated) < 2:
        return Comparison()
    values = sample.value[stated, column]
    kinds = ("difference", "ratio") if ratio else ("difference",)
    described = [_disparity(grouping, kind, stated, values, better, judged=rows) for kind in kinds]
    return Comparison(disparities=tuple(described))


def _disparity(
    grouping: Grouping,
    kind: str,
    rows: Index,
    values: NDArray[np.float64],
    better: str,
    *,
    limits: tuple[Gap, int] | None = None,
    judged: Index | None = None,
) -> Disparity:
    """A row of the record from the values of the groups `rows`; without `limits` only described."""
    smallest, largest = float(values.min()), float(values.max())
    low_key, high_key = (grouping.keys[rows[int(f(values))]] for f in (np.argmin, np.argmax))
    worst, best = (low_key, high_key) if better == "higher" else (high_key, low_key)
    value: float | None = largest - smallest
    note = None
    if kind == "ratio":
        value = smallest / largest if largest > 0 else None
        note = _ALL_ZERO if largest <= 0 else _ONE_ZERO if smallest <= 0 else None
    gap, at = limits if limits is not None else (None, 0)
    with_evidence = set((rows if judged is None else judged).tolist())
    return Disparity(
        attribute=grouping.name,
        kind=kind,
        value=value,
        low=None if gap is None else _number(gap.low[at]),
        high=None if gap is None else _number(gap.high[at]),
        worst=worst if largest > smallest else None,
        best=best if largest > smallest else None,
        left_out=tuple(
            key for row, key in enumerate(grouping.keys) if grouping.stated[row] and row not in with_evidence
        ),
        descriptive=gap is None,
        note=note,
    )


def _triple(found: Intervals, pair: int, at: int) -> tuple[float, float, float]:
    return float(found.value[pair, at]), float(found.low[pair, at]), float(found.high[pair, at])


def _upright(value: float, low: float, high: float) -> tuple[float, float, float]:
    """A ratio as smaller over larger."""
    if not value > 1:
        return value, low, high
    return 1 / value, 1 / high, 1 / low if low > 0 else math.inf


def _number(x: float) -> float | None:
    """As the record holds it: None where there is none."""
    return float(x) if math.isfinite(x) else None
