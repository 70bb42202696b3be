"""What is said about p: whose it is, what it was adjusted with, and where an interval and an adjusted p part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import PICTURE_QUALITY, Disparity, Family, Measurement, Within
from reports import _numbers as numbers
from reports._document import Text
from reports._reading import Reading, is_clear
from reports._wording import attribute_title, joined, measure_title

WHOSE = (
    "p says how often chance alone would make a difference as clear as this one if the groups were alike. It is the "
    "difference's p; the ratio, the largest over the geometric mean and the Gini coefficient ask the same question and "
    "share it, so that at the margin one of their own intervals can say otherwise."
)
NOT_ADJUSTED = (
    "Intervals and verdicts hold for one comparison each and are not adjusted over the measures, so an interval and an "
    "adjusted p may differ."
)


def tests_explained(reading: Reading, measurements: Sequence[Measurement]) -> Iterator[Text]:
    """What stands below a table of differences: whose p, which families, and where the two part. Nothing without p."""
    tested = [m for m in measurements if any(d.p_value is not None for d in m.disparities)]
    if not tested:
        return
    yield Text(WHOSE, role="small")
    named = {m.measure for m in tested}
    families = [f for f in reading.result.families if f.by is None and named & set(f.measures)]
    if families:
        adjusted = "; ".join(f"by {family_text(reading, f.measures[0])}" for f in families)
        yield Text(f"Adjusted p: {adjusted}. {NOT_ADJUSTED}", role="small")
    parted = list(_parted(reading, tested))
    if parted:
        more = f" and {len(parted) - 6} more" if len(parted) > 6 else ""
        said = f"Clear by the interval, yet not below {reading.alpha:g} after the adjustment"
        yield Text(f"{said}: {'; '.join(parted[:6])}{more}.", role="small")


def strata_explained(reading: Reading, rows: Sequence[tuple[Measurement, Within]]) -> Iterator[Text]:
    """In which families the differences within strata were adjusted: those of picture quality stand by themselves."""
    for by, where in _WHERE.items():
        measures = [
            m.measure for m, w in rows if w.p_adjusted is not None and (w.by == PICTURE_QUALITY) == (by is not None)
        ]
        families = [f for f in reading.result.families if f.by == by and set(measures) & set(f.measures)]
        if families:
            said = "; ".join(f"by {_family(reading, f)}" for f in families)
            yield Text(f"Adjusted p {where}: {said}.", role="small")


_WHERE = {
    None: "within an attribute, together with the differences over all pictures",
    PICTURE_QUALITY: "among pictures of like quality, in families of their own",
}


def family_text(reading: Reading, measure: str) -> str:
    """`Holm over the 14 tests of Failure rate and Wrong-gender rate`, or "" for a measure without a family."""
    family = reading.families.get(measure)
    return _family(reading, family) if family is not None else ""


def _family(reading: Reading, family: Family) -> str:
    titles = dict.fromkeys(measure_title(m) for m in reading.result.measurements if m.measure in family.measures)
    return f"{family.method} over the {numbers.plural(family.size, 'test')} of {_some(list(titles))}"


def test_text(reading: Reading, measurement: Measurement, gap: Disparity | None) -> str:
    """The p of a finding in a sentence, saying so where it does not survive the adjustment; "" without a p."""
    if gap is None or gap.p_value is None:
        return ""
    if gap.p_adjusted is None:
        return f"p {numbers.p(gap.p_value)}."
    family = family_text(reading, measurement.measure)
    by = f" by {family}" if family else ""
    said = f"p {numbers.p(gap.p_value)}; adjusted{by}: {numbers.p(gap.p_adjusted)}."
    if survives(reading, gap):
        return said
    return (
        f"Clear by itself, but it does not survive the adjustment for many comparisons, so it may be chance: {said} "
        f"That is not below {reading.alpha:g}."
    )


def survives(reading: Reading, gap: Disparity | Within | None) -> bool:
    """Whether the adjusted p is below alpha; true where nothing was adjusted."""
    return gap is None or gap.p_adjusted is None or gap.p_adjusted < reading.alpha


def _parted(reading: Reading, measurements: Sequence[Measurement]) -> Iterator[str]:
    for measurement in measurements:
        for gap in measurement.disparities:
            if is_clear(gap) and not survives(reading, gap):
                by = attribute_title(gap.attribute)
                yield f"{measure_title(measurement)} by {by} ({numbers.p(gap.p_adjusted)})"


def _some(titles: list[str], most: int = 6) -> str:
    return joined(titles if len(titles) <= most else [*titles[: most - 1], f"{len(titles) - most + 1} more"])
