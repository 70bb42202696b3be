"""Every pair of groups: the clear ones first, the rest folded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from audit.result import Attributes, Measurement, Pair
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Section, Table, Text
from reports._grouped import column_title, folded
from reports._reading import Reading, group
from reports._wording import attribute_title, group_label, joined, measure_title

HEADLINE = ("failure_rate", "wrong_label_rate")
FILE = "tables/pairs.csv"
MOST = 12  # rows shown at once
FEWEST = 3  # rows shown even when no pair differs clearly
ALL = 6  # so few are never folded
OTHERS = 8  # rows of the table of all other measures


@dataclasses.dataclass(frozen=True, slots=True)
class _Row:
    """A pair turned so that the difference is not negative."""

    measurement: Measurement
    pair: Pair
    larger: Attributes
    smaller: Attributes
    difference: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        return self.low is not None and self.low > 0


def pairs(reading: Reading, measurements: Sequence[Measurement]) -> Section | None:
    """The pairs of each attribute for the headline rates, and those of other measures that differ clearly."""
    tables = [
        table
        for m in measurements
        if m.measure in HEADLINE and any(g.value for g in m.by_group)
        for attribute in reading.attributes
        if (table := _table(m, attribute)) is not None
    ]
    others = _others([m for m in measurements if m.measure not in HEADLINE and not _mirrors(reading, m)])
    blocks: list[Block] = [*tables, *([others] if others else [])]
    unlisted = [attribute_title(a) for a in reading.attributes if _unlisted(measurements, a)]
    if unlisted:
        blocks.append(Text(f"Too many groups for their pairs to be listed: {joined(unlisted)}.", role="small"))
    if not blocks:
        return None
    intro = (
        f"Larger minus smaller, and smaller over larger. The {reading.level} intervals and the p of one table hold for "
        "all its pairs together; two groups differ clearly where the interval of the difference lies above 0. So the "
        "two groups that lie furthest apart can have a higher upper end here than under the differences above: there "
        "only the one largest difference is spoken of, and its upper end needs no allowance for the other pairs. Clear "
        "pairs stand first."
    )
    return Section(id="pairs", title="Pairs of groups", blocks=(Text(intro), *blocks))


def _unlisted(measurements: Sequence[Measurement], attribute: str) -> bool:
    """Whether groups of this attribute are compared while the record holds none of their pairs."""
    gaps = [gap for m in measurements if (gap := m.disparity(attribute)) is not None and not gap.descriptive]
    return bool(gaps) and not any(p.attribute == attribute for m in measurements for p in m.pairs)


def _table(measurement: Measurement, attribute: str) -> Table | None:
    rows = sorted(_rows(measurement, attribute), key=_order)
    if not rows:
        return None
    clear = sum(row.clear for row in rows)
    kept = len(rows) if len(rows) <= ALL else min(MOST, max(clear, FEWEST))
    caption = f"{measure_title(measurement)}: pairs by {attribute_title(attribute)}"
    what = f"the other {len(rows) - kept} of {len(rows)} pairs" + (", none of them clear" if kept >= clear else "")
    cells = [tuple(_cells(row)) for row in rows]
    columns = ("Larger", "Smaller")
    return Table(
        caption=caption,
        columns=(*map(Column, columns), *_NUMBERS),
        rows=tuple(cells[:kept]),
        heads=2,
        folded=folded(caption, what, FILE, cells[kept:]),
    )


def _others(measurements: Sequence[Measurement]) -> Table | None:
    """Clear pairs of all other measures in one table."""
    rows = sorted((r for m in measurements for r in _rows(m) if r.clear), key=_order)
    if not rows:
        return None
    cells = [(Cell(column_title(r.measurement), f"by {attribute_title(r.pair.attribute)}"), *_cells(r)) for r in rows]
    caption = "Further rates and scores: the pairs that differ clearly"
    what = f"the other {len(rows) - OTHERS} of {len(rows)} clear pairs"
    return Table(
        caption=caption,
        columns=(Column("Measure"), Column("Larger"), Column("Smaller"), *_NUMBERS),
        rows=tuple(cells[:OTHERS]),
        heads=3,
        folded=folded(caption, what, FILE, cells[OTHERS:]),
    )


_NUMBERS = (Column("Difference", number=True), Column("Ratio", number=True), Column("p", number=True))


def _rows(measurement: Measurement, attribute: str | None = None) -> Iterator[_Row]:
    for pair in measurement.pairs:
        if attribute not in (None, pair.attribute) or pair.difference is None:
            continue
        low, high = pair.difference_low, pair.difference_high
        if pair.difference >= 0:
            yield _Row(measurement, pair, pair.first, pair.second, pair.difference, low, high)
        else:
            turned = None if high is None else -high, None if low is None else -low
            yield _Row(measurement, pair, pair.second, pair.first, -pair.difference, *turned)


def _order(row: _Row) -> tuple[bool, float, float]:
    return (not row.clear, 1.0 if row.pair.p_value is None else row.pair.p_value, -row.difference)


def _cells(row: _Row) -> Iterator[Cell]:
    measurement, pair = row.measurement, row.pair
    for attributes in (row.larger, row.smaller):
        end = group(measurement, attributes)
        yield Cell(group_label(attributes), numbers.number(end.value, measurement.unit) if end else "")
    yield Cell(*numbers.difference(row.difference, row.low, row.high, measurement.unit))
    yield Cell(numbers.ratio(pair.ratio), numbers.interval(pair.ratio_low, pair.ratio_high, "ratio"))
    yield Cell(numbers.p(pair.p_value))


def _mirrors(reading: Reading, measurement: Measurement) -> bool:
    """Right answers, where every image got an answer: the wrong ones say the same."""
    failures = reading.result.find("failure_rate")
    return measurement.measure == "unbiased_rate" and failures is not None and failures.overall.value == 0
