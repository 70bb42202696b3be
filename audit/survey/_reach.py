"""What an audit of this set could find and show: the power table, attribute by attribute."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audit.groups import MAX_GROUPS, Grouping
from audit.result import Attributes
from audit.statistics.power import Shape, smallest_gaps, subjects_to_find, subjects_to_pass
from audit.survey._found import Reach

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATES = (0.02, 0.05, 0.10, 0.20)  # of error: which one a model has is not known yet
POINTS = 0.05
LIKENESS = 0.3  # assumed of the mistakes on pictures of one person, beside none at all


def reaches(
    groupings: tuple[Grouping, ...], readable: NDArray[np.bool_], subjects: NDArray[np.int64], alpha: float, fewest: int
) -> tuple[Reach, ...]:
    """Four base rates for each attribute with at least two groups to compare; twice that where people have several
    pictures of a group: with mistakes that are no more alike than those on other people's, and with `LIKENESS`."""
    return tuple(row for g in groupings for row in _rows(g, readable, subjects, alpha, max(fewest, 2)))


def _rows(
    grouping: Grouping, readable: NDArray[np.bool_], subjects: NDArray[np.int64], alpha: float, fewest: int
) -> Iterator[Reach]:
    shape = Shape.of(grouping.codes[readable], subjects[readable], len(grouping.keys))
    compared = np.flatnonzero(grouping.stated & (shape.subjects >= fewest))
    if not 2 <= len(compared) <= MAX_GROUPS:
        return
    shape = shape.take(compared)
    several = shape.items.sum() > shape.subjects.sum()
    for icc in (0.0, LIKENESS) if several else (0.0,):
        for rate in RATES:
            gaps = smallest_gaps(shape, rate, alpha=alpha, icc=icc)
            low, high = np.triu_indices(len(compared), k=1)
            pairs = np.where(np.isnan(gaps[low, high]), np.inf, gaps[low, high])
            worst, best = int(pairs.argmax()), int(pairs.argmin())
            needs = {
                "groups": len(compared), "alpha": alpha, "each": shape.each, "heavy": shape.heavy, "icc": icc,
            }  # fmt: skip
            yield Reach(
                attribute=grouping.name,
                groups=len(compared),
                left_out=int(grouping.stated.sum()) - len(compared),
                fewest=int(shape.subjects.min()),
                most=int(shape.subjects.max()),
                rate=rate,
                icc=icc,
                worst_gap=_finite(pairs[worst]),
                worst=_pair(grouping, compared, low[worst], high[worst]),
                best_gap=_finite(pairs[best]),
                best=_pair(grouping, compared, low[best], high[best]),
                points=POINTS,
                to_find=math.ceil(subjects_to_find(rate, rate + POINTS, **needs)),  # type: ignore[arg-type]
                to_pass=math.ceil(subjects_to_pass(rate, POINTS, **needs)),  # type: ignore[arg-type]
            )


def _pair(grouping: Grouping, compared: NDArray[np.int64], i: int, j: int) -> tuple[Attributes, Attributes]:
    return dict(grouping.keys[compared[i]]), dict(grouping.keys[compared[j]])


def _finite(gap: float) -> float | None:
    return float(gap) if math.isfinite(gap) else None
