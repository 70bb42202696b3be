"""What each region adds to the answer, and how far the maps of two classes lie on the same places."""

from __future__ import annotations

from collections.abc import Iterator

from audit.result import Measurement
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Table, Text
from reports._grouped import value_cell
from reports._reading import Reading
from reports._wording import shown

_LOGITS = (
    "In logits, the scale on which the model weighs its classes before it makes probabilities of them: of two classes "
    "a lead of 1 makes 73 % out of 50 %, a lead of 3 makes 95 %. Regions overlap and leave places out, so they do not "
    "add up to the whole picture. There, what speaks for the answer less what speaks against it is its lead over the "
    "other classes, but for a constant. From the weights of the network's last layer (infoCAM), whatever map is shown."
)


def evidence(reading: Reading) -> Iterator[Block]:
    """A sentence on the overlap, then one row a region: for and against, of all and of wrong answers."""
    overlap = next(iter(reading.focus("class_overlap")), None)
    if overlap is not None and overlap.overall.value is not None:
        share = numbers.number(overlap.overall.value, overlap.unit)
        yield Text(
            f"The map of the answer and that of the runner-up overlap by {share} (0 %: they share no place, 100 %: "
            "they are the same). Where they overlap much, the model tells the two classes apart by how strong "
            "something is, not by where it is."
        )
    regions = reading.focus("evidence_for")
    if regions:
        yield Table(
            caption="What each region adds to the answer, over all pictures",
            columns=(
                Column("Region"),
                Column("Speaks for it", number=True),
                Column("Speaks against it", number=True),
                Column("For, wrong answers", number=True),
                Column("Against, wrong answers", number=True),
                Column("Images", number=True),
            ),
            rows=tuple(_row(reading, m) for m in regions),
            note=_LOGITS,
        )


def _row(reading: Reading, m: Measurement) -> tuple[Cell, ...]:
    cells = [Cell(shown(m.parameters.get("region", "")))]
    for decisions in (m.parameters.get("decisions", "all"), "wrong"):
        for name in ("evidence_for", "evidence_against"):
            found = reading.result.find(name, {**m.parameters, "decisions": decisions})
            cells.append(value_cell(found.overall if found else None, m.unit))
    return (*cells, Cell(numbers.count(m.overall.n)))
