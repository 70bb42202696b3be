"""From the table of values [N items x M measures] to what the record says of each measure.

All measures go through together, grouping by grouping: one pass of sums by subject and group serves every figure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.errors import UsageError
from audit.groups import MAX_GROUPS, Grouping
from audit.measures import Measure
from audit.result import Attributes, Disparity, Estimate, GroupEstimate, Measurement, Pair, Skipped
from audit.statistics.chance import chance
from audit.statistics.couples import Couples
from audit.statistics.estimates import Bools, Cells, Floats, Groups, Means, Rates, Sample, interval
from audit.statistics.gaps import compare, recorded
from audit.statistics.jackknife import Statistic
from audit.statistics.permutation import permuted, with_permutation
from audit.statistics.shares import UNITS, Shares

__all__ = ["Options", "Summary", "chance", "summarise"]

_NOTHING = Estimate(value=None, low=None, high=None, n=0, subjects=0)
_TOGETHER = 32  # measures a block: keeps memory flat however many there are


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """One minus the confidence level, the subjects that a group needs to be compared, and what chance is drawn from."""

    alpha: float = 0.05
    min_subjects: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise UsageError("alpha is no error rate", value=self.alpha, allowed="a number above 0 and below 1")
        if self.min_subjects < 1:
            raise UsageError("min-subjects is no number of people", value=self.min_subjects, allowed="1 or more")


def summarise(
    values: NDArray[np.float64],
    measures: Sequence[Measure],
    groupings: Sequence[Grouping],
    subjects: NDArray[np.int64],
    label: str,
    options: Options,
) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
    """One Measurement a measure, in the measures' order, and what could not be had: a `Summary` of one table.

    Args:
        values: [N, M], one column a measure; NaN where an item does not count.
        measures: what the columns are.
        groupings, subjects, label, options: as `Summary` takes them.
    """
    return Summary(groupings, subjects, label, options).of(values, measures)


class Summary:
    """Who is compared with whom, worked out once for all measures, however many are brought at a time.

    Measures whose values can be zero or negative on purpose (`non_negative` false) get a difference only: a ratio of
    such means has no meaning. That is so for every audit, so no `Skipped` is made of it.

    Args:
        groupings: who is compared; see `audit.groups.make_groupings`.
        subjects: [N], whose each item is; see `audit.groups.subject_codes`.
        label: the label's attribute name.
        options: confidence level and evidence asked for.
    """

    def __init__(
        self, groupings: Sequence[Grouping], subjects: NDArray[np.int64], label: str, options: Options
    ) -> None:
        compared = (_everybody(len(subjects)), *groupings) if len(subjects) else ()
        self._tables = [_Table(grouping, subjects, label, options) for grouping in compared]

    def of(
        self, values: NDArray[np.float64], measures: Sequence[Measure]
    ) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
        """Measurements of the columns of `values` [N, M], in their order, and what could not be had."""
        found = [_Finding(measure=m) for m in measures]
        for block in _blocks(measures):
            seen = np.isfinite(values[:, block])
            filled = np.where(seen, values[:, block], 0.0)
            for table in self._tables:
                table.add([found[i] for i in block], filled, seen.astype(np.float64))
        for finding in found:
            if not finding.overall.n:
                finding.skip(finding.measure.absent)
        return tuple(f.measurement() for f in found), tuple(s for f in found for s in f.skipped)

    def of_statistic(
        self, statistic: Statistic, measure: Measure
    ) -> tuple[tuple[Measurement, ...], tuple[Skipped, ...]]:
        """The measurement of what is no mean over images; see `audit.statistics.jackknife`."""
        finding = _Finding(measure=measure)
        for table in self._tables:
            table.add_statistic(finding, statistic)
        return (finding.measurement(),), tuple(finding.skipped)


def _possible(measures: Sequence[Measure], low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Limits [G, M] cut to values that the measures can have: a mean's t interval knows no bounds, and nothing is lost
    by leaving out what can't be."""
    least = np.where([m.non_negative for m in measures], 0.0, -np.inf)
    most = np.where([m.unit in UNITS for m in measures], 1.0, np.inf)
    return np.maximum(low, least), np.minimum(high, most)


@dataclasses.dataclass(kw_only=True, slots=True)
class _Finding:
    """What has been found of one measure so far."""

    measure: Measure
    overall: Estimate = _NOTHING
    by_group: list[GroupEstimate] = dataclasses.field(default_factory=list)
    disparities: list[Disparity] = dataclasses.field(default_factory=list)
    pairs: list[Pair] = dataclasses.field(default_factory=list)
    skipped: list[Skipped] = dataclasses.field(default_factory=list)

    def skip(self, reason: str, attribute: str | None = None) -> None:
        parameters = dict(self.measure.parameters)
        skipped = Skipped(measure=self.measure.name, parameters=parameters, reason=reason, attribute=attribute)
        self.skipped.append(skipped)

    def described(self, attribute: str) -> bool:
        """Whether its disparity between these groups is only described."""
        return any(d.attribute == attribute and d.descriptive for d in self.disparities)

    def measurement(self) -> Measurement:
        m = self.measure
        return Measurement(
            measure=m.name,
            title=m.title,
            parameters=dict(m.parameters),
            family=m.family,
            unit=m.unit,
            better=m.better,
            definition=m.definition,
            formula=m.formula,
            source=m.source,
            diagnostic=m.diagnostic,
            scale=m.scale,
            overall=self.overall,
            by_group=tuple(self.by_group),
            disparities=tuple(self.disparities),
            pairs=tuple(self.pairs),
        )


class _Table:
    """One grouping, with the sums over it that every measure needs."""

    def __init__(self, grouping: Grouping, subjects: NDArray[np.int64], label: str, options: Options) -> None:
        self._grouping, self._options = grouping, options
        self._holds_label = label in grouping.attributes
        self._cells = Cells(grouping.codes, subjects, len(grouping.keys))
        self._stated = int(grouping.stated.sum())
        self._couples = Couples(self._cells) if 2 <= self._stated <= MAX_GROUPS else None

    def add(self, found: list[_Finding], filled: Floats, counts: Floats) -> None:
        """Add to a block of measures, all of one kind, from values [N, M] (0 where they don't count) and counts."""
        groups = Groups.of(self._cells, filled, counts)
        self._add(found, groups, lambda evidence: _sample([f.measure for f in found], groups, evidence))
        self._permute(found, filled, counts)

    def add_statistic(self, finding: _Finding, statistic: Statistic) -> None:
        """Add to one measure that is no mean over images."""
        groups = statistic.groups(self._cells)
        self._add([finding], groups, lambda evidence: statistic.sample(groups, evidence))

    def _add(self, found: list[_Finding], groups: Groups, make: Callable[[Bools], Sample]) -> None:
        options, keys = self._options, self._grouping.keys
        enough = (groups.subjects >= max(options.min_subjects, 2)) & np.isfinite(groups.variance)
        evidence = self._grouping.stated[:, None] & enough
        sample = make(evidence)
        low, high = _possible([f.measure for f in found], *interval(sample, options.alpha))
        rows = np.stack([sample.value, low, high, groups.items, groups.subjects], axis=-1).swapaxes(0, 1).tolist()
        if not self._grouping.attributes:
            for finding, row in zip(found, rows, strict=True):
                finding.overall = _estimate(row[0])
            return
        columns = [c for c, f in enumerate(found) if f.overall.n and not self._too_many(f) and self._applies(f)]
        for column in columns:
            found[column].by_group += [
                _group_estimate(row, key, options.min_subjects) for row, key in zip(rows[column], keys, strict=True)
            ]
        if columns:
            self._compare([found[c] for c in columns], groups, sample, evidence, np.array(columns))

    def _too_many(self, finding: _Finding) -> bool:
        """Whether a thousand groups would each have a row for every layer, region and map."""
        if not finding.measure.diagnostic or self._stated <= MAX_GROUPS:
            return False
        finding.skip(self._incomparable(), self._grouping.name)
        return True

    def _applies(self, finding: _Finding) -> bool:
        reason = finding.measure.not_within_label
        if reason is None or not self._holds_label:
            return True
        finding.skip(reason, self._grouping.name)
        return False

    def _compare(
        self, found: list[_Finding], groups: Groups, sample: Sample, evidence: Bools, columns: NDArray[np.int64]
    ) -> None:
        name = self._grouping.name
        if self._couples is None:
            for finding in found:
                finding.skip(self._incomparable(), name)
            return
        everyone = np.arange(len(self._grouping.keys))
        compared = compare(
            self._grouping,
            sample.take(everyone, columns),
            self._couples.overlap(groups, proportion=found[0].measure.proportion).take(everyone, columns),
            evidence[:, columns],
            [f.measure.better for f in found],
            [f.measure.non_negative for f in found],
            self._options.alpha,
        )
        for finding, comparison in zip(found, compared, strict=True):
            finding.disparities += comparison.disparities
            finding.pairs += comparison.pairs
            for reason in comparison.missing:
                finding.skip(reason, name)
            if not comparison.disparities:
                finding.skip(f"fewer than two groups of {name} have a value, so there is nothing to compare", name)

    def _permute(self, found: list[_Finding], filled: Floats, counts: Floats) -> None:
        """A p by permutation for activations where too few groups have evidence for an interval."""
        name = self._grouping.name
        asked = [i for i, f in enumerate(found) if f.measure.family == "activations" and f.described(name)]
        if not asked:
            return
        tested = permuted(
            self._cells,
            filled[:, asked],
            counts[:, asked],
            self._grouping.stated,
            alpha=self._options.alpha,
            seed=self._options.seed,
        )
        for i, permutation in zip(asked, tested, strict=True):
            rows = found[i].disparities
            if permutation is not None:
                rows[:] = [with_permutation(d, permutation) if d.attribute == name else d for d in rows]

    def _incomparable(self) -> str:
        name = self._grouping.name
        if self._stated > MAX_GROUPS:
            return f"{name} has {self._stated} groups; at most {MAX_GROUPS} can be compared with one another"
        return f"fewer than two groups of {name} are stated, so there is nothing to compare"


def _everybody(items: int) -> Grouping:
    return Grouping(
        name="",
        attributes=(),
        keys=({},),
        codes=np.zeros(items, dtype=np.int64),
        stated=np.ones(1, dtype=np.bool_),
    )


def _blocks(measures: Sequence[Measure]) -> Iterator[list[int]]:
    """Columns to work on together: all proportions or all means, so many at a time."""
    for proportion in (True, False):
        columns = [i for i, m in enumerate(measures) if m.proportion is proportion]
        for start in range(0, len(columns), _TOGETHER):
            yield columns[start : start + _TOGETHER]


def _sample(measures: Sequence[Measure], groups: Groups, evidence: Bools) -> Sample:
    if measures[0].proportion:
        return Rates.of(groups, evidence)
    relative = np.array([m.non_negative and not m.can_be_zero for m in measures])
    share = np.array([m.unit in UNITS for m in measures])
    return Shares.of(Means.of(groups, evidence, relative), share)


def _estimate(row: Sequence[float]) -> Estimate:
    value, low, high, items, subjects = row
    return Estimate(value=recorded(value), low=recorded(low), high=recorded(high), n=int(items), subjects=int(subjects))


def _group_estimate(row: Sequence[float], key: Attributes, min_subjects: int) -> GroupEstimate:
    value, low, high, items, subjects = row
    return GroupEstimate(
        value=recorded(value),
        low=recorded(low),
        high=recorded(high),
        n=int(items),
        subjects=int(subjects),
        attributes=key,
        indicative=subjects < max(min_subjects, 2),
    )
