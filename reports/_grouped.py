"""Tables with one row a group, and the notes that belong under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import Attributes, Estimate, GroupEstimate, Measurement
from reports import _numbers as numbers
from reports._document import Cell, Column, Table
from reports._reading import Reading, group
from reports._wording import attribute_title, group_label, group_phrase, measure_title, shown

WIDE = 4  # measures side by side: more do not fit a page


def group_tables(
    reading: Reading, measurements: Sequence[Measurement], attribute: str, what: str, wide: int = WIDE
) -> Iterator[Table]:
    """Values with intervals by group, at most `wide` measures a table; the last row is everybody."""
    having = [m for m in measurements if m.groups(attribute)]
    for start in range(0, len(having), wide):
        part = having[start : start + wide]
        rows = [_row(part, g) for g in part[0].groups(attribute)]
        rows.append((Cell("all images"), *_cells(part, [m.overall for m in part])))
        weak = any(row[0].mark for row in rows)
        yield Table(
            caption=f"{what} by {attribute_title(attribute)}",
            columns=(
                Column(attribute_title(attribute)),
                *(Column(shown(m.parameters.get("region", "")) or measure_title(m), number=True) for m in part),
                Column("Images", number=True),
                Column("Subjects", number=True),
            ),
            rows=tuple(rows),
            note=indicative_note(reading) if weak else "",
        )


def column_title(measurement: Measurement) -> str:
    """The title, and what tells it from its siblings: the region of a focus measure."""
    region = measurement.parameters.get("region")
    return f"{measure_title(measurement)}: {region}" if region else measure_title(measurement)


def value_cell(estimate: Estimate | None, unit: str, n: int | None = None) -> Cell:
    """Value over interval; how many images count where that is not the row's own number."""
    if estimate is None or estimate.value is None:
        return Cell("–")
    beneath = numbers.interval(estimate.low, estimate.high, unit)
    if n is not None and estimate.n != n:
        beneath = "; ".join(filter(None, (beneath, numbers.plural(estimate.n, "image"))))
    return Cell(numbers.number(estimate.value, unit), beneath)


def group_cell(estimate: GroupEstimate) -> Cell:
    """Name of a group, saying so when it is only indicative."""
    name = group_label(estimate.attributes)
    return Cell(name, "indicative", "weak") if estimate.indicative else Cell(name)


def indicative_note(reading: Reading) -> str:
    return f"Indicative: fewer than {reading.fewest} subjects. Shown, but not part of any difference and never judged."


def difference_table(reading: Reading, measurements: Sequence[Measurement], caption: str) -> Table | None:
    """One row a measure and attribute: difference, ratio, and the two groups. None when nothing was compared."""
    rows: list[tuple[Cell, ...]] = []
    tested = any(d.p_value is not None for m in measurements for d in m.disparities)
    left: list[Attributes] = []
    for measurement in measurements:
        for attribute in reading.attributes:
            gap, ratio = measurement.disparity(attribute), measurement.disparity(attribute, "ratio")
            if gap is None:
                continue
            left = [*left, *(a for a in gap.left_out if a not in left)]
            value, beneath = numbers.difference(gap.value, gap.low, gap.high, measurement.unit)
            row = [
                Cell(column_title(measurement)),
                Cell(
                    attribute_title(attribute), "descriptive only" if gap.descriptive else "", "weak" * gap.descriptive
                ),
                Cell(value, beneath),
                Cell(
                    numbers.ratio(ratio.value) if ratio else "–",
                    numbers.interval(ratio.low, ratio.high, "ratio") if ratio else "",
                ),
                _end_cell(measurement, gap.worst),
                _end_cell(measurement, gap.best),
            ]
            if tested:
                row.append(
                    Cell(_p(gap.p_value), f"adjusted {_p(gap.p_adjusted)}" if gap.p_adjusted is not None else "")
                )
            rows.append(tuple(row))
    if not rows:
        return None
    directed = all(m.better in ("lower", "higher") for m in measurements)
    return Table(
        caption=caption,
        columns=(
            Column("Measure"),
            Column("Between the groups of"),
            Column("Difference", number=True),
            Column("Ratio", number=True),
            Column("Worst group" if directed else "Worst or largest"),
            Column("Best group" if directed else "Best or smallest"),
            *([Column("p", number=True)] if tested else []),
        ),
        rows=tuple(rows),
        heads=2,
        note=left_out_note(left, reading),
    )


def left_out_note(left_out: Sequence[Attributes], reading: Reading, most: int = 8) -> str:
    """Names the groups without the evidence to take part."""
    if not left_out:
        return ""
    names = [group_phrase(a, reading.label) for a in left_out[:most]]
    more = f" and {len(left_out) - most} more" if len(left_out) > most else ""
    return f"Left out of the comparison, for too few subjects: {'; '.join(names)}{more}."


def _row(part: Sequence[Measurement], first: GroupEstimate) -> tuple[Cell, ...]:
    return (group_cell(first), *_cells(part, [first, *(group(m, first.attributes) for m in part[1:])]))


def _cells(part: Sequence[Measurement], estimates: Sequence[Estimate | None]) -> tuple[Cell, ...]:
    first = estimates[0]
    n, subjects = (first.n, first.subjects) if first else (None, None)
    values = (value_cell(e, m.unit, n) for e, m in zip(estimates, part, strict=True))
    return (*values, Cell(numbers.count(n)), Cell(numbers.count(subjects)))


def _end_cell(measurement: Measurement, attributes: Attributes | None) -> Cell:
    if attributes is None:
        return Cell("–")
    end = group(measurement, attributes)
    return Cell(group_label(attributes), numbers.number(end.value, measurement.unit) if end else "")


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.0001" if value < 1e-4 else f"{value:.4f}"
