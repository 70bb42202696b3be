"""Finding one's way in a record: which attributes, which layers, which measurement leads a family."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audit.result import Attributes, AuditResult, Disparity, Family, GroupEstimate, Measurement, Pair, attribute_name
from reports import _numbers as numbers
from reports._wording import is_gender

HEADLINE = ("failure_rate", "wrong_label_rate", "unbiased_rate")
REDUCTION = "max_of_channel_mean"  # the default reduction of activation_strength
FOCUS = {"target": "predicted", "decisions": "all"}


@dataclasses.dataclass(frozen=True)
class Reading:
    """A record with the questions a report asks of it."""

    result: AuditResult

    @functools.cached_property
    def label(self) -> str:
        return str(self.result.probe.get("label", "label"))

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(c) for c in self.result.model.get("classes", ()))

    @functools.cached_property
    def gender(self) -> bool:
        return is_gender(self.label, self.classes)

    @functools.cached_property
    def level(self) -> str:
        """The level of all intervals: `95 %`."""
        return numbers.level(self.result.settings)

    @functools.cached_property
    def alpha(self) -> float:
        """What a p must be below to be called clear."""
        return float(self.result.settings.get("alpha", 0.05))

    @functools.cached_property
    def families(self) -> Mapping[str, Family]:
        """The family that a measure's tests are adjusted in."""
        return {measure: family for family in self.result.families if family.by is None for measure in family.measures}

    @functools.cached_property
    def fewest(self) -> int:
        """A group with fewer subjects is only indicative."""
        return int(self.result.settings.get("min_subjects", 30))

    @functools.cached_property
    def errors(self) -> Measurement | None:
        """The headline measurement of wrong answers."""
        return self.result.find("wrong_label_rate")

    @functools.cached_property
    def attributes(self) -> tuple[str, ...]:
        """Attributes in the record's order, single ones before intersections; not those of a search alone."""
        compared = (m for m in self.result.measurements if m.searched is None)
        found = dict.fromkeys(attribute_name(g.attributes) for m in compared for g in m.by_group)
        return tuple(sorted(found, key=lambda a: a.count("*")))

    def family(self, family: str) -> tuple[Measurement, ...]:
        return tuple(m for m in self.result.measurements if m.family == family)

    @functools.cached_property
    def depths(self) -> Mapping[str, float]:
        """Depth of each tapped layer: 0 at the input, 1 at the output."""
        layers: Iterable[Mapping[str, Any]] = self.result.model.get("layers", ())
        return {str(layer["name"]): float(layer["depth"]) for layer in layers if layer.get("depth") is not None}

    @functools.cached_property
    def strengths(self) -> tuple[Measurement, ...]:
        """`activation_strength` by the default reduction (else the first listed), from shallow to deep."""
        every = self.result.all("activation_strength")
        reductions = dict.fromkeys(m.parameters.get("reduction", "") for m in every)
        chosen = REDUCTION if REDUCTION in reductions else next(iter(reductions), "")
        return self.by_depth(m for m in every if m.parameters.get("reduction", "") == chosen)

    def by_depth(self, measurements: Iterable[Measurement]) -> tuple[Measurement, ...]:
        """Measurements of layers from shallow to deep; the record's order where it has no depth."""
        return tuple(sorted(measurements, key=lambda m: self.depths.get(m.parameters.get("layer", ""), 0.0)))

    def layer_number(self, measurement: Measurement) -> int:
        """1 for the shallowest of the layers looked at."""
        names = [m.parameters.get("layer") for m in self.strengths]
        return names.index(measurement.parameters.get("layer")) + 1

    def focus(self, measure: str) -> tuple[Measurement, ...]:
        """One measurement a region: maps of the predicted class over all decisions, where there are any."""
        every = self.result.all(measure)
        chosen = [m for m in every if all(m.parameters.get(k, v) == v for k, v in FOCUS.items())]
        by_region: dict[str, Measurement] = {}
        for measurement in chosen or every:
            by_region.setdefault(measurement.parameters.get("region", ""), measurement)
        return tuple(by_region.values())


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """Two groups that differ clearly in one measure: `high` has the larger value."""

    attribute: str
    high: GroupEstimate
    low: GroupEstimate
    difference: float
    difference_low: float
    difference_high: float
    ratio: float | None  # smaller over larger
    ratio_low: float | None
    ratio_high: float | None
    left_out: tuple[Attributes, ...] = ()
    within: tuple[str, ...] = ()  # attributes that the two groups share on purpose


def group(measurement: Measurement, attributes: Attributes | None) -> GroupEstimate | None:
    return next((g for g in measurement.by_group if attributes is not None and g.attributes == attributes), None)


def is_clear(disparity: Disparity | None) -> bool:
    """Whether the record's own interval of a `difference` lies above zero, among groups with evidence."""
    return disparity is not None and disparity.clear


def value(estimate: GroupEstimate) -> float:
    return estimate.value or 0.0


def by_permutation(disparity: Disparity | None) -> bool:
    """Whether its p is the 15-image mode's: of groups too small for an interval, adjusted for nothing."""
    return disparity is not None and disparity.p_method == "permutation" and disparity.p_value is not None


def extreme(measurement: Measurement, attribute: str) -> Contrast | None:
    """The largest against the smallest group of an attribute, when they differ clearly."""
    gap = measurement.disparity(attribute)
    if gap is None or gap.low is None or gap.value is None or not is_clear(gap):
        return None
    ends = [g for g in (group(measurement, gap.worst), group(measurement, gap.best)) if g is not None]
    if len(ends) != 2 or any(g.value is None for g in ends):
        return None
    small, large = sorted(ends, key=lambda g: g.value or 0.0)
    ratio = measurement.disparity(attribute, "ratio")
    return Contrast(
        attribute=attribute,
        high=large,
        low=small,
        difference=gap.value,
        difference_low=gap.low,
        difference_high=gap.high if gap.high is not None else gap.value,
        ratio=ratio.value if ratio else None,
        ratio_low=ratio.low if ratio else None,
        ratio_high=ratio.high if ratio else None,
        left_out=gap.left_out,
    )


def within(
    measurement: Measurement, attribute: str, shared: Sequence[str], about: Attributes | None = None
) -> Contrast | None:
    """The clearest pair of an intersection whose groups have the same value of every `shared` attribute; one with the
    group `about` goes before all others."""
    found = [
        c
        for p in measurement.pairs
        if p.attribute == attribute and all(p.first[k] == p.second[k] for k in shared)
        if (c := _contrast(measurement, p, tuple(shared))) is not None
    ]
    return max(found, key=lambda c: (about in (c.high.attributes, c.low.attributes), c.difference_low), default=None)


def _contrast(measurement: Measurement, pair: Pair, shared: tuple[str, ...]) -> Contrast | None:
    """The pair with the larger group first, or None when its interval holds zero."""
    first, second = group(measurement, pair.first), group(measurement, pair.second)
    low, high = pair.difference_low, pair.difference_high
    if first is None or second is None or pair.difference is None or low is None or high is None:
        return None
    if low <= 0 <= high or first.value is None or second.value is None:
        return None
    up = low > 0
    return Contrast(
        attribute=pair.attribute,
        high=first if up else second,
        low=second if up else first,
        difference=abs(pair.difference),
        difference_low=low if up else -high,
        difference_high=high if up else -low,
        ratio=pair.ratio,
        ratio_low=pair.ratio_low,
        ratio_high=pair.ratio_high,
        within=shared,
    )
