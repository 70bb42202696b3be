"""Who is taken for whom: the confusion matrix in words, and which groups a mistake happens to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import Measurement
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Section, Table, Text
from reports._grouped import difference_table, group_cell, indicative_note, value_cell
from reports._reading import Reading, group
from reports._tests import tests_explained
from reports._wording import attribute_title, shown

MATRIX_UP_TO = 10  # classes
WIDE = 4  # classes whose shares stand over their intervals: more do not fit a page
BY_GROUP_UP_TO = 2  # mistakes that stand side by side for every group: those of a model of two classes
ATTRIBUTES = 3


def confusion(reading: Reading) -> Section | None:
    """The matrix (or the most frequent mistakes), mistakes by group, and how groups differ in each."""
    mistakes = reading.family("confusion")
    if not mistakes:
        return None
    text = (
        "Each row is what pictures are labeled, each column what they are answered, as a share of the row's answers. "
        "The groups are compared mistake by mistake, among pictures of that label only."
    )
    small = len(reading.classes) <= MATRIX_UP_TO
    blocks: list[Block] = [Text(text if small else "The most frequent mistakes, as shares of each label's answers.")]
    blocks.append(_matrix(reading, mistakes) if small else _list(mistakes))
    if len(mistakes) <= BY_GROUP_UP_TO:
        blocks += [_by_group(reading, mistakes, attribute) for attribute in _most_different(reading, mistakes)]
    table = difference_table(reading, mistakes, "How groups differ in each mistake")
    if table and table.rows:
        blocks += [table, *tests_explained(reading, mistakes)]
    elif table:
        blocks.append(Text("No mistake differs clearly between groups; all comparisons are in tables/disparities.csv."))
    return Section(id="confusion", title="Who is taken for whom", blocks=tuple(blocks))


def _matrix(reading: Reading, mistakes: Sequence[Measurement]) -> Table:
    found = {(m.parameters.get("label"), m.parameters.get("decision")): m.overall for m in mistakes}
    rows = []
    for label in reading.classes:
        row = {d: found[label, d] for d in reading.classes if (label, d) in found}
        if not row:
            continue
        right = numbers.number(max(0.0, 1 - sum(e.value or 0.0 for e in row.values())), "proportion")
        cells = (value_cell(row[d], "proportion") if d in row else Cell(right, "right") for d in reading.classes)
        rows.append((Cell(shown(label)), *cells, Cell(numbers.count(next(iter(row.values())).n))))
    narrow = len(reading.classes) <= WIDE
    return Table(
        caption="Labels and answers" if narrow else "Labels (rows) and answers (columns)",
        columns=(
            Column("Labeled"),
            *(Column(f"answered {shown(d)}" if narrow else shown(d), number=True) for d in reading.classes),
            Column("Images", number=True),
        ),
        rows=tuple(rows) if narrow else tuple(tuple(Cell(c.text) for c in row) for row in rows),
        note="" if narrow else "Intervals of all shares are in tables/groups.csv.",
    )


def _list(mistakes: Sequence[Measurement]) -> Table:
    rows = tuple(
        (
            Cell(shown(m.parameters["label"])),
            Cell(shown(m.parameters["decision"])),
            value_cell(m.overall, m.unit),
            Cell(numbers.count(m.overall.n)),
        )
        for m in mistakes
    )
    return Table(
        caption="The most frequent mistakes",
        columns=(Column("Labeled"), Column("Answered"), Column("Share", number=True), Column("Images", number=True)),
        rows=rows,
        heads=2,
    )


def _most_different(reading: Reading, mistakes: Sequence[Measurement]) -> Iterator[str]:
    """Attributes in which some mistake differs most clearly, in this order."""

    def apart(attribute: str) -> float:
        gaps = (m.disparity(attribute) for m in mistakes)
        return max((gap.low or 0.0 for gap in gaps if gap is not None), default=0.0)

    having = [a for a in reading.attributes if any(m.groups(a) for m in mistakes)]
    yield from sorted(having, key=lambda a: -apart(a))[:ATTRIBUTES]


def _by_group(reading: Reading, mistakes: Sequence[Measurement], attribute: str) -> Table:
    rows = []
    for first in mistakes[0].groups(attribute):
        seen = [group(m, first.attributes) for m in mistakes]
        counts = (Cell(numbers.count(e.n if e else 0)) for e in seen)
        values = [value_cell(e, m.unit) for e, m in zip(seen, mistakes, strict=True)]
        weak = any(e is not None and e.indicative for e in seen)
        name = group_cell(first)
        named = Cell(name.text, "indicative", "weak") if weak else name
        rows.append((named, *(cell for pair in zip(values, counts, strict=True) for cell in pair)))
    columns = [
        column
        for m in mistakes
        for column in (
            Column(f"{shown(m.parameters['label'])} answered {shown(m.parameters['decision'])}", number=True),
            Column(f"Images labeled {shown(m.parameters['label'])}", number=True),
        )
    ]
    return Table(
        caption=f"Who is taken for whom by {attribute_title(attribute)}",
        columns=(Column(attribute_title(attribute)), *columns),
        rows=tuple(rows),
        note=indicative_note(reading) if any(row[0].mark for row in rows) else "",
    )
