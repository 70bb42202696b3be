"""From the pairs of groups to the record's rows: which groups are compared, who is worst, what must be noted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.result import Disparity, Pair
from audit.statistics.couples import Overlap
from audit.statistics.disparity import Pairs, inverse
from audit.statistics.kinds import KINDS, note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.groups import Grouping
    from audit.result import Attributes
    from audit.statistics.estimates import Bools, Sample

    Index = NDArray[np.int64]

CLOSED_FORM = "closed form"  # how p was had: from the interval, nothing was drawn
PAIRS_UP_TO = 12  # groups of an attribute whose pairs are all listed


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One measure over the groups of one attribute; without disparities where there is nothing to compare."""

    disparities: tuple[Disparity, ...] = ()
    pairs: tuple[Pair, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Why a kind that a zero makes impossible has neither value nor interval."""
        return tuple(d.note for d in self.disparities if d.note and d.value is None and d.kind != "ratio")


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
        self._row = _Row(grouping, rows, rows)
        self._name, self._values = grouping.name, sample.value[np.ix_(rows, columns)]
        p = pairs.p_value()
        gaps = (pairs.difference(), pairs.ratio(), pairs.max_geomean(), pairs.gini())
        self._found = [_rows(gap.value, gap.low, gap.high, p) for gap in gaps]
        keys = [grouping.keys[row] for row in rows]
        self._named = [(keys[i], keys[j]) for i, j in zip(pairs.first, pairs.second, strict=True)]
        self._pairs = _listed(pairs) if len(rows) <= PAIRS_UP_TO else None

    def comparison(self, at: int, better: str, *, ratio: bool) -> Comparison:
        ends = self._row.ends(self._values[:, at], better)
        kinds = [(kind, found[at]) for kind, found in zip(KINDS, self._found, strict=True)]
        return Comparison(
            disparities=tuple(
                Disparity(
                    **self._row.fields(kind, ends),
                    value=value,
                    low=low,
                    high=high,
                    p_value=p,
                    p_method=CLOSED_FORM,
                )
                for kind, (value, low, high, p) in (kinds if ratio else kinds[:1])
            ),
            pairs=tuple(self._pair_rows(at, ratio=ratio)),
        )

    def _pair_rows(self, at: int, *, ratio: bool) -> Iterator[Pair]:
        if self._pairs is None:
            return
        for (first, second), (*difference, p, share, share_low, share_high) in zip(
            self._named, self._pairs[at], strict=True
        ):
            yield Pair(
                attribute=self._name,
                first=first,
                second=second,
                difference=difference[0],
                difference_low=difference[1],
                difference_high=difference[2],
                ratio=share if ratio else None,
                ratio_low=share_low if ratio else None,
                ratio_high=share_high if ratio else None,
                p_value=p,
            )


def _described(grouping: Grouping, sample: Sample, rows: Index, column: int, better: str, *, ratio: bool) -> Comparison:
    """The gap over all stated groups with a value, for what it is worth: no interval, no p."""
    stated = np.flatnonzero(grouping.stated & np.isfinite(sample.value[:, column]))
    if len(stated) < 2:
        return Comparison()
    row, values = _Row(grouping, stated, rows), sample.value[stated, column]
    ends = row.ends(values, better)
    return Comparison(
        disparities=tuple(
            Disparity(
                **row.fields(kind, ends), value=recorded(of(values[:, None])[0]), low=None, high=None, descriptive=True
            )
            for kind, of in KINDS.items()
            if ratio or kind == "difference"
        )
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Ends:
    """Who has the smallest and the largest value."""

    smallest: float
    largest: float
    worst: Attributes | None
    best: Attributes | None


class _Row:
    """What the rows of one attribute have in common: over groups `rows`, of which `judged` have evidence."""

    def __init__(self, grouping: Grouping, rows: Index, judged: Index) -> None:
        self._name, self._keys = grouping.name, [grouping.keys[row] for row in rows]
        left_out = np.setdiff1d(np.flatnonzero(grouping.stated), judged)
        self._left_out = tuple(grouping.keys[row] for row in left_out)

    def ends(self, values: NDArray[np.float64], better: str) -> _Ends:
        low, high = int(values.argmin()), int(values.argmax())
        smallest, largest = float(values[low]), float(values[high])
        if not largest > smallest:
            return _Ends(smallest, largest, None, None)
        worst, best = (low, high) if better == "higher" else (high, low)
        return _Ends(smallest, largest, self._keys[worst], self._keys[best])

    def fields(self, kind: str, ends: _Ends) -> dict[str, Any]:
        return {
            "attribute": self._name,
            "kind": kind,
            "worst": ends.worst,
            "best": ends.best,
            "left_out": self._left_out,
            "note": note(kind, ends.smallest, ends.largest),
        }


def _listed(pairs: Pairs) -> list[list[list[float | None]]]:
    """For each measure and pair: the difference with its limits, p, and the ratio, smaller over larger, with its."""
    difference, ratio = pairs.differences(), pairs.ratios()
    turned = ratio.value > 1
    value, low, high = (
        np.where(turned, inverse(other), own)
        for own, other in ((ratio.value, ratio.value), (ratio.low, ratio.high), (ratio.high, ratio.low))
    )
    return _rows(difference.value, difference.low, difference.high, pairs.p_values(), value, low, high)


def _rows(*columns: NDArray[np.float64]) -> list[Any]:
    """Arrays [M] or [P, M] side by side as lists, measures first; None where there is no number."""
    stacked = np.stack(columns, axis=-1) + 0.0  # no -0
    plain = stacked.astype(object)
    plain[~np.isfinite(stacked)] = None
    return list((plain.swapaxes(0, 1) if plain.ndim > 2 else plain).tolist())


def recorded(x: float) -> float | None:
    """As the record holds it: None where there is none."""
    return float(x) if math.isfinite(x) else None
