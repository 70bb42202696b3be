"""Whom does the model fail most? Every group of up to three attributes against everybody else, and how sure that is.

To look at many groups and point at the worst one finds something in any noise. So each group's p is adjusted for all
that were looked at (Holm), and with no effect a group stands out in at most 5 of 100 audits.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.analyses import ANALYSES, Finished, crossing
from audit.groups import make_groupings
from audit.result import Attributes, Disparity, GroupEstimate, Measurement, Skipped, attribute_name
from audit.statistics.against_rest import Contrasts, against_rest
from audit.statistics.estimates import Floats
from audit.statistics.gaps import CLOSED_FORM
from audit.statistics.multiplicity import holm

if TYPE_CHECKING:
    from audit.groups import Grouping

MEASURES = ("wrong_label_rate", "failure_rate")
ATTRIBUTES = 3  # taken together at most
MOST = 10_000  # groups, so that a search ends and finds something after the adjustment
LISTED = 20


@ANALYSES.register("worst_group")
@crossing()
def worst_group(finished: Finished) -> Iterator[Measurement | Skipped]:
    """One measurement for each of the two headline rates: the groups that are most surely worse than the rest."""
    names = tuple(dict.fromkeys(name for grouping in finished.groupings for name in grouping.attributes))
    groupings, short = _groupings(finished, names)
    for measure in MEASURES:
        for found in _search(finished, measure, groupings):
            yield found
            if short and isinstance(found, Measurement):
                yield _skipped(measure, short)


def _groupings(finished: Finished, names: Sequence[str]) -> tuple[tuple[Grouping, ...], str | None]:
    """Every attribute, every two, every three: as many at a time as leave no more groups than can be searched; and why
    not three."""
    values = {name: max(1, finished.table[f"attribute.{name}"].nunique()) for name in names}
    deepest = min(ATTRIBUTES, len(names))
    for depth in range(deepest, 0, -1):
        taken = [c for size in range(1, depth + 1) for c in itertools.combinations(names, size)]
        possible = sum(math.prod(values[name] for name in c) for c in taken)
        if possible <= MOST or depth == 1:
            short = f"groups of {depth + 1} attributes were not searched: there would be more than {MOST:,} of them"
            return make_groupings(finished.table, tuple(taken)), short if depth < deepest else None
    return (), None


def _search(finished: Finished, measure: str, groupings: Sequence[Grouping]) -> Iterator[Measurement | Skipped]:
    described = finished.find(measure)
    if described is None or not described.overall.n:
        yield _skipped(measure, "no image counts for this rate")
        return
    values = finished.values(measure)
    counting = values[np.isfinite(values)]
    if counting.min() == counting.max():
        everyone = "every picture" if counting.max() else "no picture"
        yield _skipped(measure, f"{everyone} counts against the model, so no group is worse off than another")
        return
    keys, cells, limits, thin = _cells(finished, groupings, values)
    least = finished.options.min_subjects
    if cells is not None:
        rows = _rows(keys, cells, limits, finished.options.alpha)
        if any(row.more > 0 for row in rows):
            yield _measurement(described, rows)
        else:
            yield _skipped(measure, f"of {len(keys)} groups none has a higher rate than all others together")
    if not keys or thin:
        which = f"{thin} of {thin + len(keys)} groups were not" if keys else "no group was"
        yield _skipped(measure, f"{which} searched: they, or all others together, have fewer than {least} subjects")


def _skipped(measure: str, reason: str) -> Skipped:
    return Skipped(measure="worst_group", parameters={"measure": measure}, reason=reason)


def _cells(
    finished: Finished, groupings: Sequence[Grouping], values: NDArray[np.float64]
) -> tuple[tuple[Attributes, ...], Contrasts | None, Floats, int]:
    """Groups with enough people in them and outside of them, each set of pictures once; the limits of their own rates
    [2, G]; and how many have too few."""
    least = max(finished.options.min_subjects, 2)
    # The same pictures under another name (all women of the set are young) are no further group. A sum of random
    # numbers tells sets apart.
    mark = np.random.default_rng(0).random(len(values))
    seen: set[float] = set()
    keys: list[Attributes] = []
    parts: list[Contrasts] = []
    limits: list[Floats] = []
    thin = 0
    for grouping in groupings:
        rows = np.flatnonzero(np.isfinite(values) & grouping.stated[grouping.codes])
        present, codes = np.unique(grouping.codes[rows], return_inverse=True)
        if len(present) < 2:
            continue
        found = against_rest(codes, finished.subjects[rows], values[rows], len(present))
        marks = np.bincount(codes, mark[rows]).tolist()
        new = np.array([m not in seen for m in marks])
        seen.update(marks)
        enough = (found.subjects >= least).all(axis=0)
        thin += int((new & ~enough).sum())
        kept = np.flatnonzero(new & enough)
        keys += [grouping.keys[present[k]] for k in kept]
        parts.append(found.take(kept))
        # As the record has them, so that one rate never stands with two intervals in a report.
        limits.append(found.own_intervals(finished.options.alpha, least)[:, kept])
    if not keys:
        return (), None, np.empty((2, 0)), thin
    return tuple(keys), Contrasts.side_by_side(parts), np.concatenate(limits, axis=1), thin


def _measurement(described: Measurement, rows: Sequence[_Row]) -> Measurement:
    """The groups that are worse than their rest, most surely first, with p over all that were searched."""
    listed = [rows[k] for k in _listed(rows)]
    return dataclasses.replace(
        described,
        measure="worst_group",
        title="Worst-off group",
        parameters={"measure": described.measure},
        family="search",
        definition=_DEFINITION,
        formula=_FORMULA,
        source=_SOURCE,
        by_group=tuple(row.estimate() for row in listed),
        disparities=tuple(row.disparity() for row in listed),
        pairs=(),
        within=(),
        searched=len(rows),
    )


class _Row(NamedTuple):
    """A group that was searched: its rate, and what that is more than the rest's."""

    key: Attributes
    n: float
    subjects: float
    value: float
    low: float
    high: float
    more: float
    more_low: float
    more_high: float
    p: float
    adjusted: float

    @property
    def clearness(self) -> float:
        """The difference in widths of its own lower arm: tells apart what has the smallest p there is."""
        return self.more / max(self.more - self.more_low, 1e-12)

    def estimate(self) -> GroupEstimate:
        return GroupEstimate(
            value=self.value,
            low=self.low,
            high=self.high,
            n=int(self.n),
            subjects=int(self.subjects),
            attributes=self.key,
            indicative=False,
        )

    def disparity(self) -> Disparity:
        return Disparity(
            attribute=attribute_name(self.key),
            kind="difference",
            value=self.more,
            low=self.more_low,
            high=self.more_high,
            worst=self.key,
            best=None,
            p_value=self.p,
            p_method=CLOSED_FORM,
            p_adjusted=self.adjusted,
        )


def _rows(keys: Sequence[Attributes], cells: Contrasts, limits: Floats, alpha: float) -> list[_Row]:
    pairs = cells.pairs(alpha)
    apart, p = pairs.differences(together=False), pairs.p_values()[0]
    group = (cells.items[0], cells.subjects[0], cells.mean[0], *limits)
    figures = np.stack([*group, apart.value[0], apart.low[0], apart.high[0], p, holm(p)], axis=1)
    return [_Row(key, *numbers) for key, numbers in zip(keys, figures.tolist(), strict=True)]


def _listed(rows: Sequence[_Row]) -> list[int]:
    """The groups to list, most surely worse than their rest first, and in any case the one with the highest rate.

    Every part of a bad group is bad: a part of one that is listed already is listed only where its own interval lies
    above the rate of the whole.
    """
    worse = [k for k, row in enumerate(rows) if row.more > 0]
    worse.sort(key=lambda k: (rows[k].p, -rows[k].clearness, len(rows[k].key)))
    listed: list[int] = []
    for k in worse:
        around = (rows[j] for j in listed if rows[j].key.items() <= rows[k].key.items())
        if all(rows[k].low > whole.value for whole in around):
            listed.append(k)
    highest = max(worse, key=lambda k: (rows[k].value, -rows[k].p))
    kept = {*listed[:LISTED]} if highest in listed[:LISTED] else {*listed[: LISTED - 1], highest}
    return [k for k in worse if k in kept]


_DEFINITION = (
    "Every group of one, two or three attributes that has enough people is compared with everybody else, in the rate "
    "named in the parameters. The groups that are most surely worse off are listed. Each p allows for all groups that "
    "were looked at, so that a group that only chance made the worst does not stand out."
)
_FORMULA = (
    "rate of the group − rate of all others, with its interval for this one comparison; p by Holm over all groups "
    "searched"
)
_SOURCE = (
    "our search; intervals after Newcombe 1998; Holm, A Simple Sequentially Rejective Multiple Test Procedure, "
    "Scandinavian Journal of Statistics 6, 1979"
)
