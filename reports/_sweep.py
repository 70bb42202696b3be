"""Other operating points: each group's rate over the threshold, with the one that was audited marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import GroupEstimate, Measurement
from reports import _figures as figures
from reports import _numbers as numbers
from reports._document import Block, Picture, Section, Text
from reports._rate_figure import over_threshold
from reports._rates import most_different
from reports._reading import Reading, group
from reports._wording import attribute_title, group_label, measure_title, shown

DRAWN = 3  # attributes whose wrong answers are drawn
DRAWN_CONDITIONAL = 1  # for the rates that only a positive class gives
_TITLES = {
    "selection_rate": "Selection rate",
    "false_positive_rate": "False positive rate",
    "false_negative_rate": "False negative rate",
}


def sweep(reading: Reading) -> Section | None:
    """A curve a group for the attributes that differ most."""
    curves: dict[str, list[Measurement]] = {}
    for measurement in reading.family("sweep"):
        curves.setdefault(measurement.parameters.get("rate", ""), []).append(measurement)
    if not curves or len(reading.classes) != 2:
        return None
    known = any(_operates(reading, m) for measurements in curves.values() for m in measurements)
    blocks: list[Block] = [Text(_text(reading, known=known))]
    blocks += _pictures(reading, curves)
    return Section(id="threshold", title="Other thresholds", blocks=tuple(blocks))


def _operates(reading: Reading, measurement: Measurement) -> bool:
    """Whether this is the operating point. Decisions that a table holds have none, whatever they agree with."""
    return bool(measurement.parameters.get("operating_point")) and not _decided(reading)


def _decided(reading: Reading) -> bool:
    return reading.result.model.get("threshold", 0.5) is None


def _text(reading: Reading, *, known: bool) -> str:
    answer, point = shown(reading.classes[1]), reading.result.model.get("threshold", 0.5)
    if _decided(reading):
        here = "The decisions are the table's own, so no operating point is marked. "
    elif known:
        here = f"The model answers “{answer}” from a probability of {point:g} on: the dashed line. "
    else:
        here = "Which threshold the answers were given at is not known. "
    return (
        f"{here}The curves say what each group's rate would be at another threshold, all else the same. Where they lie "
        "far apart everywhere, no common threshold makes the groups alike. A threshold that is chosen on these "
        "pictures looks better on them than on others. All values and intervals are in tables/groups.csv."
    )


def _pictures(reading: Reading, curves: dict[str, list[Measurement]]) -> Iterator[Picture]:
    for rate, measurements in curves.items():
        measured = reading.result.find(rate)
        if measured is None:
            continue
        most = DRAWN if rate == "wrong_label_rate" else DRAWN_CONDITIONAL
        having = {a for a in reading.attributes if measurements[0].groups(a)}
        chosen = [a for a in most_different(reading, measured, len(reading.attributes)) if a in having][:most]
        for place, attribute in enumerate(chosen, 1):
            yield _picture(reading, rate, measurements, attribute, f"sweep-{rate.replace('_', '-')}-{place}")


def _picture(reading: Reading, rate: str, measurements: Sequence[Measurement], attribute: str, name: str) -> Picture:
    at = [float(m.parameters["threshold"]) for m in measurements]
    known = next((place for place, m in enumerate(measurements) if _operates(reading, m)), None)
    point = len(at) // 2 if known is None else known
    lines = [
        figures.Curve(
            label=group_label(g.attributes),
            values=tuple(_value(group(m, g.attributes)) for m in measurements),
            weak=g.indicative,
        )
        for g in measurements[point].groups(attribute)
        if g.value is not None
    ]
    errors = reading.errors
    named = measure_title(errors) if errors and rate == "wrong_label_rate" else _TITLES.get(rate, shown(rate))
    title = f"{named} over the threshold by {attribute_title(attribute)}"
    told = "; ".join(f"{c.label}: {numbers.number(c.values[point], 'proportion')}" for c in lines[:12])
    alt = f"{title}. At {'the operating point ' if known is not None else ''}{at[point]:g}: {told}."
    axis = f"answered “{shown(reading.classes[1], 20)}” from this probability on"
    drawn = figures.Named(name=name, title=title, alt=alt)
    svg = over_threshold(drawn, lines, at=at, mark=None if known is None else at[known], x=axis, y=named)
    weak = " Dotted: indicative only." if any(c.weak for c in lines) else ""
    mark = "" if known is None else "; dashed: the operating point"
    return Picture(name=name, caption=f"{title}{mark}.{weak}", alt=alt, svg=svg)


def _value(estimate: GroupEstimate | None) -> float | None:
    return estimate.value if estimate is not None else None
