"""Rates by group as plots and tables; picture quality."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import GroupEstimate, Measurement
from reports import _figures as figures
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Picture, Section, Table, Text
from reports._grouped import difference_table, group_tables, value_cell
from reports._reading import HEADLINE, Reading, is_clear
from reports._wording import attribute_title, group_label, measure_title

MOST_DRAWN = 6
MOST_QUALITY = 4  # attributes whose groups are listed with the quality of their pictures


def rates(reading: Reading) -> Section:
    """One block an attribute: wrong answers drawn, all rates and scores in tables."""
    every = (*reading.family("rates"), *reading.family("scores"))
    head = [m for m in every if m.measure in HEADLINE]
    rest = [m for m in every if m.measure not in HEADLINE]
    leading = reading.errors or next(iter(every), None)
    if leading is None:
        return Section(id="rates", title="Rates", blocks=(Text("No rate could be had; see what was skipped."),))
    drawn = most_different(reading, leading, MOST_DRAWN)
    sections = [
        Section(
            id=f"rates-{place}",
            title=f"By {attribute_title(attribute)}",
            blocks=(
                *([interval_plot(reading, leading, attribute, f"rates{place}")] if attribute in drawn else []),
                *group_tables(reading, head, attribute, "Rates"),
                *group_tables(reading, rest, attribute, "Further rates and scores"),
            ),
        )
        for place, attribute in enumerate(reading.attributes, 1)
    ]
    intro = (
        f"Each value stands with its {reading.level} interval. The interval is about subjects: several pictures of one "
        "person count as one piece of evidence."
    )
    return Section(
        id="rates",
        title="Rates with intervals",
        blocks=(Text(intro), _overall(every)),
        sections=tuple(sections),
    )


def quality(reading: Reading) -> Section | None:
    """The pictures themselves by group: what may be behind the rest."""
    every = reading.family("quality")
    if not every:
        return None
    shown = _clearest(reading, every, MOST_QUALITY)
    text = (
        "Measured on the decoded originals, before they are prepared for the model. Where groups differ here, a "
        "difference elsewhere may come from the pictures rather than from who is in them."
    )
    if len(shown) < len(reading.attributes):
        text += " Groups are listed where they differ most; all of them are in tables/groups.csv."
    blocks: list[Block] = [Text(text)]
    for attribute in shown:
        blocks += group_tables(reading, every, attribute, "Picture quality")
    table = difference_table(reading, every, "Differences in picture quality")
    return Section(id="quality", title="Picture quality by group", blocks=(*blocks, *([table] if table else [])))


def _clearest(reading: Reading, measurements: Sequence[Measurement], most: int) -> tuple[str, ...]:
    """The attributes with the most clear differences, in the report's order."""

    def clear(attribute: str) -> int:
        return sum(is_clear(m.disparity(attribute)) for m in measurements)

    chosen = sorted(reading.attributes, key=lambda a: -clear(a))[:most]
    return tuple(a for a in reading.attributes if a in chosen)


def dot(measurement: Measurement, seen: GroupEstimate) -> figures.Dot:
    """A group's row in a plot of dots with intervals."""
    return figures.Dot(
        label=group_label(seen.attributes),
        value=seen.value,
        low=seen.low,
        high=seen.high,
        text=numbers.number(seen.value, measurement.unit),
        weak=seen.indicative,
    )


def interval_plot(reading: Reading, measurement: Measurement, attribute: str, name: str, title: str = "") -> Picture:
    """Dots with intervals for the groups of one attribute, and the same in words."""
    groups = measurement.groups(attribute)[:40]
    rows = [dot(measurement, g) for g in groups]
    title = title or f"{measure_title(measurement)} by {attribute_title(attribute)}"
    told = "; ".join(f"{r.label}: {r.text}" for r in rows[:12]) + ("; and more" if len(rows) > 12 else "")
    percent = measurement.unit in ("proportion", "share")
    svg = figures.dots(
        figures.Named(name=name, title=title, alt=f"{title}. {told}."),
        rows,
        percent=percent,
        overall=measurement.overall.value,
        unit=measure_title(measurement),
    )
    weak = " Gray and hollow: indicative only." if any(r.weak for r in rows) else ""
    caption = f"{title}: values with {reading.level} intervals; dashed: all images.{weak}"
    return Picture(name=name, caption=caption, alt=f"{title}. {told}.", svg=svg)


def most_different(reading: Reading, measurement: Measurement, most: int) -> tuple[str, ...]:
    """The attributes worth a drawing: all when they are few, else those that differ most clearly."""
    having = [a for a in reading.attributes if measurement.groups(a)]

    def apart(attribute: str) -> float:
        gap = measurement.disparity(attribute)
        return gap.low if gap is not None and gap.low is not None else 0.0

    return tuple(sorted(having, key=lambda a: -apart(a))[:most])


def _overall(measurements: Sequence[Measurement]) -> Table:
    return Table(
        caption="All images together",
        columns=(
            Column("Measure"),
            Column("Value", number=True),
            Column("Images", number=True),
            Column("Subjects", number=True),
        ),
        rows=tuple(_overall_rows(measurements)),
    )


def _overall_rows(measurements: Sequence[Measurement]) -> Iterator[tuple[Cell, ...]]:
    for m in measurements:
        counts = (Cell(numbers.count(m.overall.n)), Cell(numbers.count(m.overall.subjects)))
        yield (Cell(measure_title(m)), value_cell(m.overall, m.unit), *counts)
