"""How one rule meets one audit: which figure is meant, and how its evidence stands to the bound."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from audit._evidence import Evidence, evidence_of, settled_by
from audit._judging_words import figure, named
from audit.errors import nearest
from audit.result import NOT_SUPPORTED, Attributes, AuditResult, Measurement, attribute_name

if TYPE_CHECKING:
    from audit._policy import Rule

NOT_JUDGED = "not judged"
_SEVERITY = {"pass": 0, "inconclusive": 1, "fail": 2}


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
    evidence = tuple(evidence_of(rule, result, measurement, attribute))
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
    words = f"{found.words}; the record lists the clearest groups only, and not:{named(left_out)}"
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
            words=f"fewer than {needed} by {attribute} have {least} subjects; below that:{named(small)}",
        )
    decides = max(evidence, key=lambda e: (_SEVERITY[e.status(rule)], e.beyond(rule)))
    status = decides.status(rule)
    words = figure(rule, result, measurement, decides, attribute)
    needed_subjects = None
    if status == "inconclusive":
        needed_subjects, settle = settled_by(rule, evidence)
        words += f"; {settle}"
    elif attribute is None and measurement.overall.subjects < least:
        status = "inconclusive"
        words += f"; it rests on {measurement.overall.subjects} subjects, and {least} are needed to judge"
    if small and status != "fail":
        words += f"; fewer than {least} subjects, so not judged:{named(small)}"
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
    there = "; ".join(filter(None, (f"there is {', '.join(names) or 'none'}", nearest(rule.attribute or "", names))))
    return f"the audit has no groups by {rule.attribute} for this measure ({there})"


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


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
