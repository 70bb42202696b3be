"""Differences again among items that are alike in something else: within strata of an attribute, and of picture
quality, where the groups' pictures may differ before any model sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.groups import MAX_GROUPS, Grouping
from audit.result import PICTURE_QUALITY, Attributes, Measurement, Skipped, Stratum, Within
from audit.statistics.couples import Couples
from audit.statistics.estimates import Cells, Floats, Groups
from audit.statistics.gaps import CLOSED_FORM
from audit.statistics.shares import UNITS
from audit.statistics.strata import Standardized, Strata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.summary import Options

    Index = NDArray[np.int64]

MEASURE = "standardized_difference"  # what is `Skipped` where nothing can be compared
QUALITIES: Mapping[str, tuple[str, str, str]] = {  # what is held fixed, and what its thirds are called
    "brightness": ("darkest third", "middle third", "brightest third"),
    "sharpness": ("blurriest third", "middle third", "sharpest third"),
    "pixels": ("smallest third", "middle third", "largest third"),
}

MOST_CELLS = 400  # group x stratum: how every two of them hang together is kept in memory
MOST_GROUPS_BY_QUALITY = 12
_TOGETHER = 32  # measures a block
_BETWEEN = 3_000_000  # numbers a block may hold about every two cells


def quality_strata(qualities: Mapping[str, Floats]) -> Grouping | None:
    """Items that are alike in brightness, sharpness and size: thirds by rank of each, crossed; at most 27 strata.

    Equal values are never split, so thirds can differ in size. A quality that is the same in all pictures holds nothing
    fixed and is left out; None where that is so of all. A picture without a value is in no stratum.

    Args:
        qualities: [N] each, by name; NaN where a picture can't be read.
    """
    parts = {name: _thirds(values, QUALITIES[name]) for name, values in qualities.items()}
    parts = {name: (codes, words) for name, (codes, words) in parts.items() if len(words) > 1}
    if not parts:
        return None
    readable = np.all([codes >= 0 for codes, _ in parts.values()], axis=0)
    sizes = tuple(len(words) for _, words in parts.values())
    mixed = np.ravel_multi_index(tuple(np.maximum(codes, 0) for codes, _ in parts.values()), sizes)
    occurring, found = np.unique(mixed[readable], return_inverse=True)
    codes = np.full(len(readable), len(occurring), dtype=np.int64)
    codes[readable] = found
    places = zip(*np.unravel_index(occurring, sizes), strict=True)
    keys: list[Attributes] = [
        {name: words[at] for (name, (_, words)), at in zip(parts.items(), place, strict=True)} for place in places
    ]
    if not readable.all():
        keys.append(dict.fromkeys(parts))
    stated = np.array([None not in key.values() for key in keys], dtype=np.bool_)
    return Grouping(name=PICTURE_QUALITY, attributes=tuple(parts), keys=tuple(keys), codes=codes, stated=stated)


def _thirds(values: Floats, words: tuple[str, str, str]) -> tuple[Index, tuple[str, ...]]:
    """The third that each value stands in [N], -1 where there is none, and the names of those that occur."""
    seen = np.isfinite(values)
    _, which, often = np.unique(values[seen], return_inverse=True, return_counts=True)
    middle = (np.cumsum(often) - often / 2) / max(1, seen.sum())  # a value's mean rank, as a share
    third = np.minimum(2, (3 * middle).astype(np.int64))[which] if len(often) else np.empty(0, dtype=np.int64)
    occurring, codes = np.unique(third, return_inverse=True)
    found = np.full(len(values), -1, dtype=np.int64)
    found[seen] = codes
    return found, tuple(words[at] for at in occurring)


def with_strata(
    measurements: Sequence[Measurement],
    values: Callable[[Sequence[str]], Floats],
    groupings: Sequence[Grouping],
    strata: Sequence[Grouping],
    subjects: Index,
    options: Options,
) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """The measurements with a row of `within` for each attribute and each way to make strata; what could not be had.

    Quality strata are for what the model does, not for quality itself. A measure is compared by the attributes that it
    is measured by.

    Args:
        measurements: of measures, each with a column of values.
        values: some columns by name, [N, M]; NaN where an item does not count.
        groupings: whose groups are compared.
        strata: among whom; `quality_strata`, or a grouping that `audit.groups.check_strata` lets pass.
        subjects: [N], whose each item is.
        options: confidence level and evidence asked for.
    """
    crossings, skipped = [], []
    for by in strata:
        for grouping in groupings:
            reason = _reason(grouping, by)
            if reason is None:
                crossings.append(_Crossing(grouping, by, subjects, options))
            else:
                skipped.append(_skipped(grouping, by, reason))
    found: list[list[Within]] = [list(m.within) for m in measurements]
    for block in _blocks(measurements, max((c.cells for c in crossings), default=1)):
        table = values([measurements[i].column for i in block])
        seen = np.isfinite(table)
        filled, counts = np.where(seen, table, 0.0), seen.astype(np.float64)
        for crossing in crossings:
            rows = crossing.rows([measurements[i] for i in block], filled, counts)
            for i, row in zip(block, rows, strict=True):
                found[i] += [row] if row is not None else []
    skipped += [_skipped(c.grouping, c.by, _NOTHING) for c in crossings if c.asked and not c.compared]
    rows_of = zip(measurements, found, strict=True)
    return tuple(dataclasses.replace(m, within=tuple(rows)) for m, rows in rows_of), tuple(skipped)


_NOTHING = "no stratum has two groups with enough subjects, so nothing is comparable"


def _reason(grouping: Grouping, by: Grouping) -> str | None:
    """Why the groups can't be compared within these strata."""
    name, groups, strata = grouping.name, int(grouping.stated.sum()), int(by.stated.sum())
    shared = [part for part in grouping.attributes if part in by.attributes]
    most = MOST_GROUPS_BY_QUALITY if by.name == PICTURE_QUALITY else MAX_GROUPS
    reasons = {
        f"{name} and {by.name} have {' and '.join(shared)} in common, which is the same for all in a stratum": shared,
        f"fewer than two groups of {name} are stated, so there is nothing to compare": groups < 2,
        f"{name} has {groups} groups; at most {most} can be compared within {by.name}": groups > most,
        f"{groups} groups of {name} in {strata} strata of {by.name} make {groups * strata} cells; at most {MOST_CELLS} "
        "can be compared": groups * strata > MOST_CELLS,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _skipped(grouping: Grouping, by: Grouping, reason: str) -> Skipped:
    return Skipped(measure=MEASURE, parameters={"within": by.name}, attribute=grouping.name, reason=reason)


def _blocks(measurements: Sequence[Measurement], cells: int) -> Iterator[list[int]]:
    """Measurements to work on together: all proportions or all means that can be zero or not, so many at a time."""
    together = max(1, min(_TOGETHER, _BETWEEN // cells**2))
    for proportion in (True, False):
        numbers = [i for i, m in enumerate(measurements) if (m.scale == "proportion") is proportion]
        for start in range(0, len(numbers), together):
            yield numbers[start : start + together]


class _Crossing:
    """The groups of one attribute in the strata of another thing."""

    def __init__(self, grouping: Grouping, by: Grouping, subjects: Index, options: Options) -> None:
        self.grouping, self.by = grouping, by
        self.asked = self.compared = False
        self._options = options
        self._groups, self._strata = (np.flatnonzero(g.stated) for g in (grouping, by))
        self._stated = grouping.stated[grouping.codes]
        self._part = np.flatnonzero(self._stated & by.stated[by.codes])
        group = np.searchsorted(self._groups, grouping.codes[self._part])
        stratum = np.searchsorted(self._strata, by.codes[self._part])
        occurring, codes = np.unique(group * len(self._strata) + stratum, return_inverse=True)
        self._place = np.full((len(self._groups), len(self._strata)), -1, dtype=np.int64)
        self._place.flat[occurring] = np.arange(len(occurring))
        self.cells = len(occurring)
        self._cells = Cells(codes.astype(np.int64), subjects[self._part], self.cells) if self.cells else None
        self._couples = Couples(self._cells) if self._cells else None

    def rows(self, measurements: Sequence[Measurement], filled: Floats, counts: Floats) -> list[Within | None]:
        """A row for each of some measurements, all proportions or all means, from values and counts [N, M]."""
        columns = [c for c, m in enumerate(measurements) if self._applies(m)]
        found: list[Within | None] = [None] * len(measurements)
        self.asked = self.asked or bool(columns)
        if not columns or self._cells is None or self._couples is None:
            return found
        cells = Groups.of(self._cells, filled[self._part][:, columns], counts[self._part][:, columns])
        some = [measurements[c] for c in columns]
        relative = None if some[0].scale == "proportion" else np.array([m.scale == "positive" for m in some])
        evidence = cells.subjects >= max(self._options.min_subjects, 2)
        share = np.array([m.unit in UNITS for m in some])
        strata = Strata(self._place, cells, self._couples, evidence, relative, share)
        stated = counts[self._stated][:, columns].sum(axis=0)
        for standardized in strata.compare(np.arange(len(self._strata)), self._options.alpha):
            alone = self._alone(strata, standardized, cells, some)
            for at, measure in enumerate(standardized.measures.tolist()):
                self.compared = True
                used = cells.items[self._place[standardized.used], measure].sum()
                found[columns[measure]] = self._row(some[measure], standardized, at, used / stated[measure], alone[at])
        return found

    def _applies(self, measurement: Measurement) -> bool:
        if self.by.name == PICTURE_QUALITY and measurement.family == "quality":
            return False
        return measurement.disparity(self.grouping.name) is not None

    def _row(
        self, measurement: Measurement, found: Standardized, at: int, comparable: float, strata: tuple[Stratum, ...]
    ) -> Within:
        worst, best = self._ends(measurement, found, at)
        empty = np.flatnonzero(~found.used.any(axis=0))
        return Within(
            attribute=self.grouping.name,
            by=self.by.name,
            kind="difference",
            value=float(found.gap.value[at]),
            low=float(found.gap.low[at]),
            high=float(found.gap.high[at]),
            worst=worst,
            best=best,
            comparable=float(comparable),
            strata=strata,
            left_out=tuple(self._stratum(k) for k in empty),
            note=self._note(found),
            p_value=float(found.p_value[at]),
            p_method=CLOSED_FORM,
        )

    def _alone(
        self, strata: Strata, over_all: Standardized, cells: Groups, measurements: Sequence[Measurement]
    ) -> list[tuple[Stratum, ...]]:
        """Each used stratum by itself, for each measure; of an attribute only: quality makes too many to be read."""
        found: list[list[Stratum]] = [[] for _ in over_all.measures]
        used = np.flatnonzero(over_all.used.any(axis=0))
        for k in used if self.by.name != PICTURE_QUALITY else ():
            (alone,) = strata.compare(np.array([k]), self._options.alpha / len(used), over_all.measures)
            place = self._place[alone.used[:, 0], k]
            items, people = cells.items[place].sum(axis=0), self._people(cells, place)
            for at, measure in enumerate(over_all.measures.tolist()):
                worst, best = self._ends(measurements[measure], alone, at)
                stratum = Stratum(
                    attributes=self._stratum(k),
                    value=float(alone.gap.value[at]),
                    low=float(alone.gap.low[at]),
                    high=float(alone.gap.high[at]),
                    p_value=min(1.0, float(alone.p_value[at]) * len(used)),
                    worst=worst,
                    best=best,
                    n=int(items[measure]),
                    subjects=int(people[measure]),
                )
                found[at].append(stratum)
        return [tuple(rows) for rows in found]

    def _people(self, cells: Groups, place: Index) -> Floats:
        """Subjects in at least one of some cells, for each measure."""
        if self._cells is None or not self._couples:
            return np.asarray(cells.subjects[place].sum(axis=0))
        rows = np.flatnonzero(np.isin(self._cells.group, place))
        _, person = np.unique(self._cells.subject[rows], return_inverse=True)
        seen = np.zeros((person.max() + 1, cells.present.shape[1]), dtype=np.bool_)
        np.logical_or.at(seen, person, cells.present[rows])
        return np.asarray(seen.sum(axis=0, dtype=np.float64))

    def _ends(
        self, measurement: Measurement, found: Standardized, at: int
    ) -> tuple[Attributes | None, Attributes | None]:
        """Worst and best group of the largest difference, in the measure's own direction."""
        ends = found.widest(at)
        if ends is None:
            return None, None
        larger, smaller = (self._group(g) for g in ends)
        return (smaller, larger) if measurement.better == "higher" else (larger, smaller)

    def _note(self, found: Standardized) -> str | None:
        """Who could not be compared: groups that stand in no used stratum, pairs that share none."""
        inside = found.used.any(axis=1)
        apart = int(inside.sum() * (inside.sum() - 1) // 2) - len(found.first)
        said = []
        if not inside.all():
            names = [", ".join(map(str, self._group(g).values())) for g in np.flatnonzero(~inside)]
            said.append(f"not compared, for too few subjects in every stratum: {'; '.join(names)}")
        if apart:
            said.append(f"{apart} of the pairs of groups share no stratum with enough subjects of both")
        return ". ".join(said) or None

    def _group(self, number: int | np.int64) -> Attributes:
        return self.grouping.keys[int(self._groups[number])]

    def _stratum(self, number: int | np.int64) -> Attributes:
        return self.by.keys[int(self._strata[number])]
