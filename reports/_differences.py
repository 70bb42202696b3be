"""Differences between groups in rates and scores: a row an attribute, all four summaries, every pair, and the tests."""

from __future__ import annotations

from collections.abc import Sequence

from audit.result import Disparity, Measurement
from reports import _numbers as numbers
from reports._document import Cell, Column, Section, Table, Text
from reports._grouped import column_title, difference_table
from reports._pairs import HEADLINE, pairs
from reports._reading import Reading
from reports._tests import tests_explained
from reports._wording import attribute_title


def differences(reading: Reading) -> Section:
    """Differences, ratios and two more summaries between groups, for rates and scores; then every pair."""
    every = (*reading.family("rates"), *reading.family("scores"))
    table = difference_table(reading, every, "Differences and ratios between groups, rates and scores", HEADLINE)
    if table is None:
        return Section(id="differences", title="Differences and ratios", blocks=(Text("No groups were compared."),))
    text = Text(
        "Difference: largest minus smallest group. Ratio: smallest over largest. Both are taken over the groups with "
        "enough subjects; their intervals allow for having looked for the extremes. A ratio of accuracies can hide "
        "what a ratio of errors shows, so errors are compared."
    )
    further = _further(reading, [m for m in every if m.measure in HEADLINE])
    inner = pairs(reading, every)
    return Section(
        id="differences",
        title="Differences and ratios",
        blocks=(text, table, *tests_explained(reading, every), *([further] if further else [])),
        sections=(inner,) if inner else (),
    )


def _further(reading: Reading, measurements: Sequence[Measurement]) -> Table | None:
    """Largest over geometric mean, and Gini, of the headline rates."""
    rows: list[tuple[Cell, ...]] = []
    tested = False
    for m in measurements:
        for attribute in reading.attributes:
            found = [m.disparity(attribute, kind) for kind in ("max_geomean", "gini")]
            if any(d is not None and d.value is not None for d in found):
                rows.append((Cell(column_title(m)), Cell(attribute_title(attribute)), *map(_cell, found)))
                tested = tested or any(d is not None and d.p_value is not None for d in found)
    if not rows:
        return None
    return Table(
        caption="Two more summaries of the same groups",
        columns=(
            Column("Measure"),
            Column("Between the groups of"),
            Column("Largest over geometric mean", number=True),
            Column("Gini coefficient", number=True),
        ),
        rows=tuple(rows),
        heads=2,
        note="Largest over geometric mean: the largest group's rate against a typical group's; 1 when all are alike. "
        "Gini coefficient: how unevenly it is spread; 0 when all groups are alike, 1 when one group has everything. "
        f"{'They share the p above. ' if tested else ''}Those of other measures are in tables/disparities.csv.",
    )


def _cell(found: Disparity | None) -> Cell:
    if found is None or found.value is None:
        return Cell("–")
    return Cell(numbers.ratio(found.value), numbers.interval(found.low, found.high, "ratio"))
