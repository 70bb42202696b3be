"""The activation ratio Λ over depth: with its interval and p, or with what permutation gives where groups are few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import Disparity, Measurement
from reports import _few_images as few_images
from reports import _figures as figures
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Table, Text
from reports._grouped import end_cell
from reports._reading import REDUCTION, Reading, by_permutation
from reports._tests import family_text
from reports._wording import attribute_title, measure_title, shown

NO_VERDICT = "Too few subjects a group for an interval, so there is a p and no verdict."


def ratio(measurement: Measurement | None, attribute: str) -> Disparity | None:
    """The activation ratio of one measurement, None where it has no value."""
    found = measurement.disparity(attribute, "ratio") if measurement else None
    return found if found is not None and found.value is not None else None


def spans(reading: Reading, attribute: str) -> figures.Spans:
    """Λ of the default reduction over depth, for a drawing."""
    found = [ratio(m, attribute) for m in reading.strengths]
    return figures.Spans(
        label="ratio Λ",
        values=tuple(d.value if d else None for d in found),
        low=tuple(d.low if d else None for d in found),
        high=tuple(d.high if d else None for d in found),
        marks=tuple(d.null_quantile if d else None for d in found),
    )


def few(reading: Reading, attribute: str) -> Iterator[Text]:
    """In the 15-image mode: p and null quantile in plain words, and what so few images can show. Else nothing."""
    deepest = reading.strengths[-1]
    found = ratio(deepest, attribute)
    if found is None or not found.descriptive:
        return
    if not by_permutation(found):
        yield Text(f"Too few subjects a group for an interval{f' ({shown(found.note, 200)})' if found.note else ''}.")
        return
    how = f" ({shown(found.note, 200)})" if found.note else ""
    said = f"{NO_VERDICT} At the deepest layer Λ is {numbers.ratio(found.value)} and p {numbers.p(found.p_value)}{how}."
    if found.null_quantile is not None:
        said += f" {chance_sentence(reading, found)}"
    yield Text(said)
    groups = [g for g in deepest.groups(attribute) if None not in g.attributes.values() and g.value is not None]
    sight = few_images.seen(groups, reading.alpha)
    if sight:
        yield Text(f"What so few images can show: {sight}", role="small")


def chance_sentence(reading: Reading, found: Disparity) -> str:
    """`If the groups did not differ, 95 % of the time these images would give a ratio above 0.75.`"""
    above = numbers.ratio(found.null_quantile)
    return f"If the groups did not differ, {reading.level} of the time these images would give a ratio above {above}."


def ratio_table(reading: Reading, attribute: str) -> Table | None:
    """A row a layer; for each reduction Λ over its interval, and p over its adjusted one."""
    every = reading.by_depth(reading.result.all("activation_strength"))
    reductions = sorted({m.parameters.get("reduction", "") for m in every}, key=lambda r: (r != REDUCTION, r))
    found = [
        [ratio(_at(every, m.parameters.get("layer", ""), reduction), attribute) for reduction in reductions]
        for m in reading.strengths
    ]
    gaps = [d for row in found for d in row if d is not None]
    if not gaps:
        return None
    tested = any(d.p_value is not None for d in gaps)
    rows = [
        (Cell(str(reading.layer_number(m))), *(c for d in row for c in _cells(d, tested=tested)))
        for m, row in zip(reading.strengths, found, strict=True)
    ]
    columns = [
        column
        for r in reductions
        for column in (Column(shown(r).replace("_", " "), number=True), *([Column("p", number=True)] if tested else []))
    ]
    by_chance = any(d.null_quantile is not None for d in gaps)
    with_what = "what it would be by chance" if by_chance else f"{reading.level} intervals"
    return Table(
        caption=f"Activation ratio Λ by {attribute_title(attribute)}, with {with_what}",
        columns=(Column("Layer"), *columns),
        rows=tuple(rows),
        note=_note(reading, gaps),
    )


def quality_table(reading: Reading, attribute: str) -> Table | None:
    """How far the pictures themselves differ between the same groups."""
    found = [(m, d) for m in reading.family("quality") if (d := m.disparity(attribute)) is not None]
    if not found:
        return None
    tested = any(d.p_value is not None for _, d in found)
    rows = []
    for m, gap in found:
        share = m.disparity(attribute, "ratio")
        rows.append(
            (
                Cell(measure_title(m), "descriptive only" if gap.descriptive else ""),
                Cell(*numbers.difference(gap.value, gap.low, gap.high, m.unit)),
                Cell(
                    numbers.ratio(share.value) if share else "–",
                    numbers.interval(share.low, share.high, "ratio") if share else "",
                ),
                *(end_cell(m, end) if end and gap.value else Cell("–") for end in (gap.best, gap.worst)),
                *([_p_cell(gap)] if tested else []),
            )
        )
    return Table(
        caption=f"The pictures themselves by {attribute_title(attribute)}",
        columns=(
            Column("Picture quality"),
            Column("Difference", number=True),
            Column("Ratio", number=True),
            Column("Smallest"),
            Column("Largest"),
            *([Column("p", number=True)] if tested else []),
        ),
        rows=tuple(rows),
        note="Where these differ between the groups, activations may differ because of the pictures.",
    )


def adjusted_text(reading: Reading) -> Iterator[Block]:
    """Which family the adjusted p belong to, and how many p by permutation are adjusted for nothing."""
    family = family_text(reading, "activation_strength")
    if family:
        yield Text(f"Adjusted p: by {family}. Intervals hold for one comparison each.", role="small")
    every = reading.result.all("activation_strength")
    permuted = sum(by_permutation(d) for m in every for d in m.disparities if d.kind == "ratio")
    if permuted > 1:
        yield Text(
            "p by permutation asks whether people could change groups and nobody would notice; a small one can also "
            "come from groups that only vary differently. These p are adjusted for nothing, and there are "
            f"{permuted:,} of them below (attributes × layers × reductions): on average {reading.alpha * permuted:.1f} "
            f"of them would lie below {reading.alpha:g} if no groups differed at all.",
            role="small",
        )


def _at(every: Sequence[Measurement], layer: str, reduction: str) -> Measurement | None:
    wanted = {"layer": layer, "reduction": reduction}
    return next((m for m in every if {k: m.parameters.get(k, "") for k in wanted} == wanted), None)


def _cells(found: Disparity | None, *, tested: bool) -> tuple[Cell, ...]:
    if found is None:
        return (Cell("–"),) * (1 + tested)
    beneath = numbers.interval(found.low, found.high, "ratio")
    if found.null_quantile is not None:
        beneath = f"by chance above {numbers.ratio(found.null_quantile)}"
    return Cell(numbers.ratio(found.value), beneath), *([_p_cell(found)] if tested else [])


def _p_cell(found: Disparity) -> Cell:
    adjusted = f"adjusted {numbers.p(found.p_adjusted)}" if found.p_adjusted is not None else ""
    return Cell(numbers.p(found.p_value), adjusted)


def _note(reading: Reading, gaps: Sequence[Disparity]) -> str:
    if any(d.null_quantile is not None for d in gaps):
        return (
            "By chance above: if the groups did not differ, these images would give a ratio above this "
            f"{reading.level} of the time."
        )
    return ""
