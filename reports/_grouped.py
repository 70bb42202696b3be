"""Tables with one row a group, and the notes that belong under them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from audit.result import Attributes, Disparity, Estimate, GroupEstimate, Measurement
from reports import _numbers as numbers
from reports._document import Cell, Column, Folded, Table
from reports._reading import Reading, group
from reports._wording import attribute_title, group_label, group_phrase, measure_title, shown

WIDE = 4  # measures side by side: more do not fit a page
DESCRIPTIVE = (
    "Descriptive only: fewer than two groups have enough subjects, so all of them are set side by side, and nothing is "
    "concluded."
)
LONGEST = 60  # groups in a table: of more, the first are shown
UNFOLDED = 12  # a table of so many differences is shown whole, and so many of a longer one


def group_tables(
    reading: Reading, measurements: Sequence[Measurement], attribute: str, what: str, wide: int = WIDE
) -> Iterator[Table]:
    """Values with intervals by group, at most `wide` measures a table; the last row is everybody."""
    having = [m for m in measurements if m.groups(attribute)]
    for start in range(0, len(having), wide):
        part = having[start : start + wide]
        groups = part[0].groups(attribute)
        rows = [_row(part, g) for g in groups[:LONGEST]]
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
            note=" ".join(filter(None, (longer_note(len(groups)), indicative_note(reading) if weak else ""))),
        )


def column_title(measurement: Measurement) -> str:
    """The title, and what tells it from its siblings: a focus measure's region, who is taken for whom."""
    if measurement.family == "confusion":
        return " → ".join(shown(v) for v in (measurement.parameters["label"], measurement.parameters["decision"]))
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


def longer_note(groups: int) -> str:
    """What stands under a table that would have more rows than anybody reads; "" under others."""
    return f"The first {LONGEST} of {groups:,} groups; all are in tables/groups.csv." if groups > LONGEST else ""


def indicative_note(reading: Reading) -> str:
    return f"Indicative: fewer than {reading.fewest} subjects. Shown, but not part of any difference and never judged."


def difference_table(
    reading: Reading, measurements: Sequence[Measurement], caption: str, always: Sequence[str] = ()
) -> Table | None:
    """One row a measure and attribute: difference, ratio, the two groups, p. None when nothing was compared.

    In a long table all but the clearest comparisons are folded; the measures named in `always` are not, unless all
    groups are alike.
    """
    found = [(m, gap) for m in measurements for a in reading.attributes if (gap := m.disparity(a)) is not None]
    if not found:
        return None
    tested = any(gap.p_value is not None for _, gap in found)
    rows = [_difference_row(m, gap)[: None if tested else -1] for m, gap in found]
    kept = _kept(found, always)
    hidden = [place for place in range(len(found)) if place not in kept]
    clear = sum(found[place][1].clear for place in hidden)
    more = f"{len(hidden)} more comparison{'s' * (len(hidden) != 1)}"
    what = f"{more}, {f'{clear} of them clear' if clear else 'none of them clear'}"
    left = [attributes for _, gap in found if not gap.descriptive for attributes in gap.left_out]
    left = [attributes for place, attributes in enumerate(left) if attributes not in left[:place]]
    descriptive = DESCRIPTIVE if any(gap.descriptive for _, gap in found) else ""
    ends = _ends({m.better for m in measurements})
    return Table(
        caption=caption,
        columns=(
            Column("Measure"),
            Column("Between the groups of"),
            Column("Difference", number=True),
            Column("Ratio", number=True),
            *map(Column, ends),
            *([Column("p", number=True)] if tested else []),
        ),
        rows=tuple(rows[place] for place in sorted(kept)),
        heads=2,
        note=" ".join(filter(None, (left_out_note(left, reading), descriptive))),
        folded=folded(caption, what, "tables/disparities.csv", [rows[place] for place in hidden]),
    )


def _ends(better: Collection[str]) -> tuple[str, str]:
    """What the two groups of a difference are called: of what is neither good nor bad, the largest and smallest."""
    if set(better) == {"none"}:
        return "Largest", "Smallest"
    return ("Worst or largest", "Best or smallest") if "none" in better else ("Worst group", "Best group")


def _kept(found: Sequence[tuple[Measurement, Disparity]], always: Sequence[str]) -> set[int]:
    """Rows that are not folded: all of a short table, else what is named in `always` and the clearest of the others."""
    if len(found) <= UNFOLDED:
        return set(range(len(found)))
    others = [place for place, (m, gap) in enumerate(found) if gap.clear and m.measure not in always]

    def order(place: int) -> tuple[float, float]:
        gap = found[place][1]
        return (gap.p_value if gap.p_value is not None else 1.0, -(gap.low or 0.0) / (gap.value or 1.0))

    named = {place for place, (m, gap) in enumerate(found) if m.measure in always and gap.value != 0}
    return named | set(sorted(others, key=order)[:UNFOLDED])


def folded(caption: str, what: str, file: str, rows: Sequence[tuple[Cell, ...]]) -> Folded | None:
    """Rows that a page shows on demand; None when there are none."""
    if not rows:
        return None
    paper = f"Not shown here: {what}; see {file}."
    return Folded(caption=f"{caption}: {what}", open=f"Show {what}", paper=paper, rows=tuple(rows))


def _difference_row(measurement: Measurement, gap: Disparity) -> tuple[Cell, ...]:
    ratio = measurement.disparity(gap.attribute, "ratio")
    weak = gap.descriptive
    return (
        Cell(column_title(measurement)),
        Cell(attribute_title(gap.attribute), "descriptive only" if weak else "", "weak" if weak else ""),
        Cell(*numbers.difference(gap.value, gap.low, gap.high, measurement.unit)),
        Cell(
            numbers.ratio(ratio.value) if ratio else "–",
            numbers.interval(ratio.low, ratio.high, "ratio") if ratio else "",
        ),
        *(
            Cell("all alike" if gap.value == 0 else "–")
            if end is None or gap.value == 0
            else end_cell(measurement, end)
            for end in (gap.worst, gap.best)
        ),
        Cell(numbers.p(gap.p_value), f"adjusted {numbers.p(gap.p_adjusted)}" if gap.p_adjusted is not None else ""),
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


def end_cell(measurement: Measurement, attributes: Attributes) -> Cell:
    """A group with its value beneath."""
    end = group(measurement, attributes)
    return Cell(group_label(attributes), numbers.number(end.value, measurement.unit) if end else "")
