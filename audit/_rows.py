"""The rows of a record: estimates, disparities, pairs, strata, measurements, as plain values, to and from JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

PICTURE_QUALITY = "picture quality"  # what `Within.by` says of strata of brightness, sharpness and size

Attributes = Mapping[str, str | None]  # {"skin": "dark", "gender": None}: None is "not stated"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A value with its interval, and what it rests on. None where there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int  # items that count
    subjects: int  # subjects that count


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GroupEstimate(Estimate):
    """One group's estimate. `indicative`: fewer subjects than the minimum, so shown but never judged."""

    attributes: Attributes
    indicative: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Disparity:
    """How the groups of one attribute differ. `worst` and `best` are in the measure's own direction (for "none":
    largest and smallest). `left_out` names groups without the evidence to take part.

    All kinds of one measure and attribute share one p: they test the same thing. `p_adjusted` is over the measure's
    `Family`. In the 15-image mode `p_method` is "permutation", `p_adjusted` None, and `null_quantile` is the value that
    the kind keeps to 95 times in 100 when the groups do not differ.
    """

    attribute: str  # "skin", "gender*skin"
    kind: str  # "difference", "ratio", "max_geomean", "gini"
    value: float | None
    low: float | None
    high: float | None
    worst: Attributes | None
    best: Attributes | None
    left_out: tuple[Attributes, ...] = ()
    descriptive: bool = False  # fewer than two groups with evidence: shown over all groups, not judged
    note: str | None = None
    p_value: float | None = None
    p_method: str | None = None
    p_adjusted: float | None = None
    null_quantile: float | None = None

    @property
    def clear(self) -> bool:
        """Whether a difference's own interval lies above zero, among groups with evidence."""
        return self.kind == "difference" and not self.descriptive and self.low is not None and self.low > 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two groups of one attribute: first minus second, and smaller over larger on logs, with simultaneous
    intervals; `p_value` is simultaneous over the attribute's pairs, too."""

    attribute: str
    first: Attributes
    second: Attributes
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    p_value: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stratum:
    """One stratum of a `Within`: the groups of an attribute compared among the items of this stratum alone.

    Value and interval are those of the `difference` kind; interval and p allow for having looked into every stratum.
    """

    attributes: Attributes  # {"age_band": "18-29"}, {"brightness": "darkest third", "sharpness": "middle third"}
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    worst: Attributes | None
    best: Attributes | None
    n: int  # items of the groups with evidence here
    subjects: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """A difference again among items that are alike in something else: standardized over strata.

    `value` is the largest standardized difference over the pairs of groups, each pair over the strata in which both
    have evidence. `comparable` is the share of the items of stated groups that took part: their group has evidence in
    their stratum, and so has another one. `left_out` names the strata in which fewer than two groups have evidence.
    """

    attribute: str  # whose groups are compared
    by: str  # "age_band", or "picture quality"
    kind: str  # "difference"
    value: float | None
    low: float | None
    high: float | None
    worst: Attributes | None
    best: Attributes | None
    comparable: float
    strata: tuple[Stratum, ...] = ()
    left_out: tuple[Attributes, ...] = ()
    note: str | None = None
    p_value: float | None = None
    p_method: str | None = None
    p_adjusted: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval lies above zero."""
        return self.low is not None and self.low > 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Tests that are adjusted together: every attribute, intersection and stratum with a p of these measures, or with
    `by` those of the same gaps among items alike in it."""

    name: str  # "headline", or a family of measures
    method: str  # "Holm", "Benjamini-Hochberg"
    measures: tuple[str, ...]
    size: int  # how many p
    by: str | None = None  # "picture quality": checks of the gaps, adjusted among themselves


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """What could not be had, and why, in words a user can act on. `attribute` when it is for one attribute only."""

    measure: str
    reason: str
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attribute: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One measure over the whole probe set."""

    measure: str
    title: str
    parameters: Mapping[str, str]
    family: str
    unit: str
    better: str
    definition: str
    formula: str
    source: str
    diagnostic: bool
    overall: Estimate
    by_group: tuple[GroupEstimate, ...] = ()
    disparities: tuple[Disparity, ...] = ()
    pairs: tuple[Pair, ...] = ()
    within: tuple[Within, ...] = ()
    scale: str = "any"  # what an image's value can be: "proportion" (0 or 1), "positive", "non-negative", "any"
    of: str | None = None  # None: the model itself
    searched: int | None = (
        None  # of a search: groups looked at, over which each p is adjusted; only the first are listed
    )

    @property
    def column(self) -> str:
        return column_name(self.measure, self.parameters)

    def groups(self, attribute: str) -> tuple[GroupEstimate, ...]:
        """The groups of one attribute (`"skin"`, `"gender*skin"`), in the record's order."""
        return tuple(g for g in self.by_group if attribute_name(g.attributes) == attribute)

    def disparity(self, attribute: str, kind: str = "difference") -> Disparity | None:
        return next((d for d in self.disparities if (d.attribute, d.kind) == (attribute, kind)), None)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Face:
    """A misjudged picture that was asked for by name. Personal data: a report may show it, no record ever holds it.

    `group` is the gallery that it stands in, empty for all pictures. `jpeg` is a thumbnail without metadata, or None
    where the picture can't be shown; `left_out` then says why.
    """

    group: Attributes
    attributes: Attributes
    label: str
    decision: str
    confidence: float | None  # the model's probability of `decision`; None: it gave none
    jpeg: bytes | None = dataclasses.field(repr=False)
    left_out: str = ""


def attribute_name(attributes: Attributes) -> str:
    """`{"gender": …, "skin": …}` is the attribute `gender*skin`."""
    return "*".join(attributes)


def group_name(attributes: Attributes) -> str:
    """`{"gender": "female", "race": "black"}` is the group `female*black` of the attribute `gender*race`."""
    return "*".join("not stated" if value is None else value for value in attributes.values())


def column_name(measure: str, parameters: Mapping[str, str]) -> str:
    """`MEASURE[param=value,…]`, parameters in alphabetical order."""
    inside = ",".join(f"{k}={parameters[k]}" for k in sorted(parameters))
    return f"{measure}[{inside}]" if inside else measure


_OPTIONAL: Mapping[type, tuple[str, ...]] = {
    Measurement: ("of", "searched"),
    Skipped: ("attribute",),
    Disparity: ("null_quantile",),
    Family: ("by",),
}


def plain(value: Any) -> Any:
    """Dataclasses to dictionaries, NaN to None, tuples to lists; what only some rows have is left out when None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        optional = _OPTIONAL.get(type(value), ())
        return {k: v for k, v in named.items() if v is not None or k not in optional}
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def measurement_of(record: Mapping[str, Any]) -> Measurement:
    """The inverse of `plain` for a measurement."""
    known = {f.name for f in dataclasses.fields(Measurement)}
    plain = {k: v for k, v in record.items() if k in known}
    plain["overall"] = Estimate(**record["overall"])
    plain["by_group"] = tuple(GroupEstimate(**g) for g in record.get("by_group", ()))
    plain["disparities"] = tuple(
        Disparity(**{**d, "left_out": tuple(d.get("left_out", ()))}) for d in record.get("disparities", ())
    )
    plain["pairs"] = tuple(Pair(**p) for p in record.get("pairs", ()))
    plain["within"] = tuple(_within(w) for w in record.get("within", ()))
    return Measurement(**plain)


def _within(record: Mapping[str, Any]) -> Within:
    strata = tuple(Stratum(**s) for s in record["strata"])
    return Within(**{**record, "strata": strata, "left_out": tuple(record["left_out"])})
