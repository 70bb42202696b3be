"""What there is to hold against a rule's bound, with its limits, and how many more people would settle it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from audit._judging_words import group_name
from audit.result import Attributes, AuditResult, Disparity, Estimate, GroupEstimate, Measurement

if TYPE_CHECKING:
    from audit._policy import Rule

# Room above the bare sample size, so that the interval is clear of the bound four times in five: (1 + z80 / z97.5)^2.
_ROOM = (1 + 0.84 / 1.96) ** 2
_HOPELESS = 100  # times the evidence there is


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """One figure to hold against the bound. `low` and `high` must lie within it for a pass; `fail_low` or `fail_high`
    beyond it for a fail. They differ where a fail may be due to any of several groups. A value that is missing is NaN,
    a limit that is missing is infinite, so that neither can pass or fail."""

    value: float
    low: float
    high: float
    fail_low: float
    fail_high: float
    subjects: int
    worst: Attributes | None = None
    best: Attributes | None = None

    @classmethod
    def of(cls, seen: Estimate | Disparity, subjects: int, **groups: Attributes | None) -> Evidence:
        low, high = _or(seen.low, -math.inf), _or(seen.high, math.inf)
        value = _or(seen.value, math.nan)
        return cls(value=value, low=low, high=high, fail_low=low, fail_high=high, subjects=subjects, **groups)

    def status(self, rule: Rule) -> str:
        least, most = rule.low_bound, rule.high_bound
        if math.isnan(self.value):
            return "inconclusive"
        if rule.test == "point":
            return "pass" if least <= self.value <= most else "fail"
        if self.low >= least and self.high <= most:
            return "pass"
        return "fail" if self.fail_low > most or self.fail_high < least else "inconclusive"

    def beyond(self, rule: Rule) -> float:
        """How far the value lies beyond the bound; negative within it."""
        return -math.inf if math.isnan(self.value) else max(self.value - rule.high_bound, rule.low_bound - self.value)

    def growth(self, rule: Rule) -> float:
        """How many times the subjects would settle it, without room to spare; infinite where no number would."""
        times = [0.0]
        sides = ((rule.high_bound, self.high, self.fail_low), (rule.low_bound, self.fail_high, self.low))
        for bound, up, down in sides:
            if math.isinf(bound) or not down <= bound <= up:
                continue
            reach = up if self.value < bound else down
            times.append(((reach - self.value) / (bound - self.value)) ** 2 if self.value != bound else math.inf)
        return math.inf if math.isnan(self.value) else max(times)


def evidence_of(rule: Rule, result: AuditResult, measurement: Measurement, attribute: str | None) -> Iterator[Evidence]:
    if attribute is None:
        yield Evidence.of(measurement.overall, measurement.overall.subjects)
    elif rule.kind == "value":
        groups = [g for g in measurement.groups(attribute) if not g.indicative and None not in g.attributes.values()]
        for group in groups:
            plain = Evidence.of(group, group.subjects, worst=group.attributes)
            # A fail has to stand however many groups were looked at: only then are the wider limits worth their cost.
            if rule.test == "interval" and plain.status(rule) == "fail":
                low, high = _wider(result, measurement, group, max(len(groups), measurement.searched or 0))
                yield dataclasses.replace(plain, fail_low=low, fail_high=high)
            else:
                yield plain
    else:
        gap = measurement.disparity(attribute, rule.kind)
        if gap is not None and not gap.descriptive:
            yield Evidence.of(gap, measurement.overall.subjects, worst=gap.worst, best=gap.best)


def _wider(result: AuditResult, measurement: Measurement, group: GroupEstimate, groups: int) -> tuple[float, float]:
    """A group's limits at t(1 - alpha / (2 G)), from those of the record at t(1 - alpha / 2).

    A Wilson limit l solves (p - l)^2 = (c^2 / n*) l (1 - l), so c^2 / n* can be read off the recorded limits and scaled
    by the squared ratio of the two t; the limits of a mean are scaled by the ratio itself.
    """
    from scipy.special import stdtrit

    if group.value is None or group.low is None or group.high is None:
        return -math.inf, math.inf
    if groups < 2:
        return group.low, group.high
    df = _effective_subjects(result, measurement, group) - 1
    if df <= 0:
        return -math.inf, math.inf
    alpha = float(result.settings.get("alpha", 0.05))
    stretch = float(stdtrit(df, 1 - alpha / (2 * groups)) / stdtrit(df, 1 - alpha / 2))
    value = group.value
    if measurement.unit != "proportion":
        return value - stretch * (value - group.low), value + stretch * (group.high - value)
    inside = [limit for limit in (group.low, group.high) if 0 < limit < 1]
    spread = max(((value - limit) ** 2 / (limit * (1 - limit)) for limit in inside), default=0.0) * stretch**2
    center = (value + spread / 2) / (1 + spread)
    half = math.sqrt(spread * value * (1 - value) + spread**2 / 4) / (1 + spread)
    return max(0.0, center - half), min(1.0, center + half)


def _effective_subjects(result: AuditResult, measurement: Measurement, group: GroupEstimate) -> float:
    """Kish's effective number of subjects, N^2 / sum n_s^2. From the items; without them the least it can be, when one
    subject has all the pictures beyond one each."""
    if group.n == group.subjects:
        return float(group.subjects)
    columns = [f"attribute.{name}" for name in group.attributes]
    if result.records is not None:
        items = result.items
        if {measurement.column, "subject", *columns} <= set(items.columns):
            inside = items[measurement.column].notna()
            for column, value in zip(columns, group.attributes.values(), strict=True):
                inside &= items[column] == value
            counts = items.loc[inside, "subject"].value_counts()
            alone = int(inside.sum() - counts.sum())  # an image without a subject is its own
            return float((counts.sum() + alone) ** 2 / ((counts**2).sum() + alone))
    return group.n**2 / ((group.n - group.subjects + 1) ** 2 + group.subjects - 1)


def settled_by(rule: Rule, evidence: Sequence[Evidence]) -> tuple[int | None, str]:
    """How many subjects would settle the figure that needs most, and that in words."""
    open_ = [e for e in evidence if e.status(rule) == "inconclusive"]
    hardest = max(open_, key=lambda e: e.growth(rule) * e.subjects)
    times = hardest.growth(rule)
    if math.isnan(hardest.value) or math.isinf(hardest.high - hardest.low):
        return None, "without an interval it can't be judged"
    if times > _HOPELESS:
        return None, "it lies so close to the bound that it can't be settled in practice"
    needed = math.ceil(hardest.subjects * times * _ROOM)
    whom = (
        f" in the group {group_name(hardest.worst)}"
        if rule.kind == "value" and hardest.worst
        else " of the same make-up"
    )
    return needed, f"about {_rounded_up(needed):,} subjects{whom} would settle it (now {hardest.subjects:,})"


def _rounded_up(count: int) -> int:
    """To two digits: more would promise what the formula can't keep."""
    step: int = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step


def _or(value: float | None, missing: float) -> float:
    return missing if value is None else value
