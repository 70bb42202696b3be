"""How one rule meets one audit: which figure is meant, what evidence there is, and what would settle it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from audit.errors import nearest
from audit.result import (
    NOT_SUPPORTED,
    Attributes,
    AuditResult,
    Disparity,
    Estimate,
    GroupEstimate,
    Measurement,
    attribute_name,
)

if TYPE_CHECKING:
    from audit.gate import Rule

NOT_JUDGED = "not judged"
_SEVERITY = {"pass": 0, "inconclusive": 1, "fail": 2}
# Room above the bare sample size, so that the interval is clear of the bound four times in five: (1 + z80 / z97.5)^2.
_ROOM = (1 + 0.84 / 1.96) ** 2
_KINDS = {"max_geomean": "largest group over the geometric mean", "gini": "Gini coefficient"}
_HOPELESS = 100  # times the evidence there is


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What came of one rule. `words` is the sentence behind the status, without capital and full stop."""

    status: str
    words: str
    title: str | None = None
    parameters: Mapping[str, str] | None = None
    attribute: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    worst: Attributes | None = None
    best: Attributes | None = None
    small_groups: tuple[Attributes, ...] = ()
    subjects_needed: int | None = None


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


def find(rule: Rule, result: AuditResult) -> Finding:
    """The figure a rule is about, and how it stands to the bound."""
    measurement = _measurement(rule, result)
    if measurement is None:
        return Finding(status=NOT_JUDGED, words=_why_absent(rule, result))
    attribute = _attribute(rule.attribute, measurement)
    if rule.attribute is not None and attribute is None:
        return Finding(status=NOT_JUDGED, words=_why_no_attribute(rule, result, measurement))
    if measurement.searched is not None and rule.kind != "value":
        return Finding(status=NOT_JUDGED, words=_searched(rule, measurement))
    gap = measurement.disparity(attribute, rule.kind) if attribute is not None else None
    if attribute is not None and rule.kind != "value" and gap is None:
        return Finding(status=NOT_JUDGED, words=_why_no_attribute(rule, result, measurement))
    if gap is not None and not gap.descriptive and gap.note and gap.value is None and gap.high is None:
        return Finding(status=NOT_JUDGED, words=gap.note)  # a group at 0 leaves nothing of this kind to judge
    small = _small_groups(measurement, attribute)
    evidence = tuple(_evidence(rule, result, measurement, attribute))
    found = _weighed(rule, result, measurement, evidence, small, attribute)
    found = _of_a_list(found, _left_out(result, measurement, attribute))
    return dataclasses.replace(
        _of_a_map(found, result, measurement),
        title=measurement.title,
        parameters=measurement.parameters,
        attribute=attribute,
        small_groups=small,
    )


def _of_a_list(found: Finding, left_out: tuple[Attributes, ...]) -> Finding:
    """Groups that the record does not list can't have passed."""
    if found.status != "pass" or not left_out:
        return found
    words = f"{found.words}; the record lists the clearest groups only, and not:{_named(left_out)}"
    return dataclasses.replace(found, status="inconclusive", words=words)


def _of_a_map(found: Finding, result: AuditResult, measurement: Measurement) -> Finding:
    """A figure read off a map that is not supported is no evidence, for or against."""
    trust = result.trust
    if measurement.family != "focus" or trust is None or trust.state != NOT_SUPPORTED or found.status == "inconclusive":
        return found
    words = f"{found.words}; the map that it is read off is not supported ({trust.because}), so nothing follows from it"
    return dataclasses.replace(found, status="inconclusive", words=words)


def _weighed(
    rule: Rule,
    result: AuditResult,
    measurement: Measurement,
    evidence: Sequence[Evidence],
    small: tuple[Attributes, ...],
    attribute: str | None,
) -> Finding:
    least = int(result.settings.get("min_subjects", 30))
    if not evidence:
        needed = "two groups" if rule.kind != "value" else "one group"
        return Finding(
            status="inconclusive",
            words=f"fewer than {needed} by {attribute} have {least} subjects; below that:{_named(small)}",
        )
    decides = max(evidence, key=lambda e: (_SEVERITY[e.status(rule)], e.beyond(rule)))
    status = decides.status(rule)
    words = _what(rule, result, measurement, decides, attribute)
    needed_subjects = None
    if status == "inconclusive":
        needed_subjects, settle = _settled_by(rule, evidence)
        words += f"; {settle}"
    elif attribute is None and measurement.overall.subjects < least:
        status = "inconclusive"
        words += f"; it rests on {measurement.overall.subjects} subjects, and {least} are needed to judge"
    if small and status != "fail":
        words += f"; fewer than {least} subjects, so not judged:{_named(small)}"
        if status == "pass" and rule.small_groups == "inconclusive":
            status = "inconclusive"
    return Finding(
        status=status,
        words=words,
        value=_known(decides.value),
        low=_known(decides.low),
        high=_known(decides.high),
        worst=decides.worst,
        best=decides.best,
        subjects_needed=needed_subjects,
    )


def _measurement(rule: Rule, result: AuditResult) -> Measurement | None:
    """The first one listed that has the rule's parameters."""
    fits = (m for m in result.all(rule.measure) if rule.parameters.items() <= dict(m.parameters).items())
    return next(fits, None)


def _why_absent(rule: Rule, result: AuditResult) -> str:
    for skipped in result.skipped:
        fits = all(rule.parameters.get(k, v) == v for k, v in skipped.parameters.items())
        if skipped.measure == rule.measure and fits and skipped.attribute is None:
            return skipped.reason.rstrip(".")
    there = result.all(rule.measure)
    if not there:
        names = {m.measure for m in result.measurements}
        hint = nearest(rule.measure, names)
        return f"the audit has no measure {rule.measure}" + (f" ({hint})" if hint else "")
    for key, value in rule.parameters.items():
        known = sorted({m.parameters[key] for m in there if key in m.parameters})
        if value not in known:
            return f"{rule.measure} has no {key} {value} in this audit (there is {', '.join(known) or 'none'})"
    return f"{rule.measure} was not measured with these parameters together"


def _attribute(wanted: str | None, measurement: Measurement) -> str | None:
    """The attribute as the record writes it: `gender*skin` and `skin*gender` mean the same."""
    if wanted is None:
        return None
    names = (attribute_name(g.attributes) for g in measurement.by_group)
    return next((n for n in names if sorted(n.split("*")) == sorted(p.strip() for p in wanted.split("*"))), None)


def _why_no_attribute(rule: Rule, result: AuditResult, measurement: Measurement) -> str:
    for skipped in result.skipped:
        if (skipped.measure, skipped.attribute) == (rule.measure, rule.attribute):
            return skipped.reason.rstrip(".")
    names = dict.fromkeys(attribute_name(g.attributes) for g in measurement.by_group)
    return f"the audit has no groups by {rule.attribute} for this measure (there is {', '.join(names) or 'none'})"


def _searched(rule: Rule, measurement: Measurement) -> str:
    """Why a gap of a measure that lists the clearest of many is not judged."""
    return (
        f"{rule.measure} compares no groups with each other but lists the clearest of {measurement.searched:,} "
        "comparisons, and its intervals do not allow for the choice; a rule on it can be of the kind value"
    )


def _left_out(result: AuditResult, measurement: Measurement, attribute: str | None) -> tuple[Attributes, ...]:
    """What a measure that lists the clearest of many does not list, though the probe set has it."""
    if attribute is None or measurement.searched is None:
        return ()
    listed = [set(g.attributes.items()) for g in measurement.groups(attribute)]
    stated = [c["attributes"] for c in result.probe.get("cells", ()) if None not in c["attributes"].values()]
    of_one = [own for own in stated if len(own) == 1 and set(own) <= set(attribute.split("*"))]
    return tuple(own for own in of_one if not any(set(own.items()) <= group for group in listed))


def _small_groups(measurement: Measurement, attribute: str | None) -> tuple[Attributes, ...]:
    """Stated groups that lack the evidence to be judged; "not stated" is no group."""
    if attribute is None:
        return ()
    groups = measurement.groups(attribute)
    return tuple(g.attributes for g in groups if g.indicative and None not in g.attributes.values())


def _evidence(rule: Rule, result: AuditResult, measurement: Measurement, attribute: str | None) -> Iterator[Evidence]:
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


def _settled_by(rule: Rule, evidence: Sequence[Evidence]) -> tuple[int | None, str]:
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
        f" in the group {_group(hardest.worst)}" if rule.kind == "value" and hardest.worst else " of the same make-up"
    )
    return needed, f"about {_rounded_up(needed):,} subjects{whom} would settle it (now {hardest.subjects:,})"


def _rounded_up(count: int) -> int:
    """To two digits: more would promise what the formula can't keep."""
    step: int = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step


def _what(rule: Rule, result: AuditResult, measurement: Measurement, seen: Evidence, attribute: str | None) -> str:
    """The figure with its interval, and what is allowed."""
    title = measurement.title
    title = title[:1].lower() + title[1:] if title[1:2].islower() else title
    if rule.parameters:
        title += f" ({_group(rule.parameters)})"
    if rule.kind == "value":
        subject = f"the {title} of the group {_group(seen.worst)}" if seen.worst else f"the overall {title}"
    else:
        subject = f"the {_KINDS.get(rule.kind, rule.kind)} in {title} by {attribute}"
    if math.isnan(seen.value):
        return f"{subject} could not be measured; {rule.allowed} is allowed"
    bounds = [b for b in (rule.min, rule.max) if b is not None]
    level = 100 * (1 - float(result.settings.get("alpha", 0.05)))
    interval = (
        f" ({level:g} % interval {_number(seen.low, bounds)} to {_number(seen.high, bounds)})"
        if math.isfinite(seen.high - seen.low)
        else " (without an interval)"
    )
    between = _between(rule, measurement, seen) if attribute else ""
    point = ", judged by its value alone" if rule.test == "point" else ""
    return f"{subject} is {_number(seen.value, bounds)}{interval}{between}; {rule.allowed} is allowed{point}"


def _between(rule: Rule, measurement: Measurement, seen: Evidence) -> str:
    """Whom the figure is about: two groups, the largest alone, or (Gini) all of them."""
    if not (seen.worst and seen.best) or rule.kind == "gini":
        return ""
    if rule.kind == "max_geomean":
        return f", the largest being {_group(seen.best if measurement.better == 'higher' else seen.worst)}"
    return f", {_group(seen.worst)} against {_group(seen.best)}"


def _or(value: float | None, missing: float) -> float:
    return missing if value is None else value


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float, bounds: Sequence[float]) -> str:
    """Three digits, or as many as keep the number on its own side of every bound."""
    for digits in range(3, 17):
        text = f"{value:.{digits}g}"
        if all((float(text) > b) == (value > b) and (float(text) < b) == (value < b) for b in (*bounds, 0.0)):
            return text
    return repr(value)


def _group(attributes: Attributes | None) -> str:
    return ", ".join(f"{k} {'not stated' if v is None else v}" for k, v in (attributes or {}).items())


def _named(groups: Sequence[Attributes]) -> str:
    shown = "; ".join(_group(g) for g in groups[:5]) + ("; …" if len(groups) > 5 else "")
    return f" {shown}" if groups else ""
