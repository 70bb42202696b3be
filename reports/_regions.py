"""What a map is, in plain words, and where it lies over all pictures: the head of the section on focus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from audit.result import Measurement
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Table, Text
from reports._grouped import value_cell
from reports._inside import FOCUS_CAVEAT
from reports._reading import FOCUS, Reading
from reports._wording import joined, shown

_OUTLINED = {
    "face": "the face from the brows to the chin, without the forehead",
    "jaw": "all of the face below a line from ear to ear, with the tip of the nose and the mouth in it",
}


def explained(reading: Reading, methods: Sequence[str]) -> Iterator[Block]:
    """What a map is, whose, and how finely it can tell places apart."""
    titles = joined([_title(reading, m) for m in methods])
    yield Text(
        "For each picture a map shows how much each place of it speaks for the answer that the model gave (a class "
        f"activation map, method {titles}). Places that speak against the answer count as 0. {FOCUS_CAVEAT}"
    )
    yield Text(
        "Relevance mass is the share of the map that lies inside a region. A large region holds much of it by its size "
        "alone, so lift says how many times as much it holds as its size would give it: 1 is no preference for the "
        f"region, 2 twice as much.{_cells(reading)}"
    )


def outlined(reading: Reading, mass: Sequence[Measurement]) -> Iterator[Block]:
    """What two names of regions cover that landmarks outline: each takes in more, or less, than it says."""
    files: Any = reading.result.probe.get("files") or {}
    there = {m.parameters.get("region") for m in mass}
    said = [f"“{name}” is {what}" for name, what in _OUTLINED.items() if name in there]
    if said and "landmarks68.csv" in files:
        yield Text(
            f"Regions that follow from landmarks, unless the probe set has its own of that name: {joined(said)}."
        )


def overview(reading: Reading, mass: Sequence[Measurement]) -> Table | None:
    """One row a region: its share of the map, for all, right and wrong answers apart."""
    if not mass:
        return None
    lifts = {m.parameters.get("region"): m for m in reading.focus("lift")}
    rows = []
    for m in mass:
        lift = lifts.get(m.parameters.get("region"))
        right, wrong = (_variant(reading, m, decisions) for decisions in ("right", "wrong"))
        rows.append(
            (
                Cell(shown(m.parameters.get("region", ""))),
                value_cell(m.overall, m.unit),
                value_cell(lift.overall if lift else None, "ratio"),
                *(value_cell(v.overall if v else None, m.unit) for v in (right, wrong)),
                Cell(numbers.count(m.overall.n)),
            )
        )
    misjudged = max((v.overall.n for m in mass if (v := _variant(reading, m, "wrong"))), default=0)
    return Table(
        caption="Where the map lies, over all pictures",
        columns=(
            Column("Region"),
            Column("Share of the map", number=True),
            Column("Lift", number=True),
            Column("Share, right answers", number=True),
            Column("Share, wrong answers", number=True),
            Column("Images", number=True),
        ),
        rows=tuple(rows),
        note=f"Beneath each value its {reading.level} interval. Regions may lie within one another, so shares need not "
        f"add up. Wrong answers: the map of the wrong answer, in {numbers.plural(misjudged, 'picture')}.",
    )


def _variant(reading: Reading, m: Measurement, decisions: str) -> Measurement | None:
    """The same measure over right or wrong answers alone."""
    return reading.result.find(m.measure, {**m.parameters, **FOCUS, "decisions": decisions})


def _title(reading: Reading, method: str) -> str:
    cam: Any = reading.result.model.get("cam") or {}
    return shown(cam["title"] if cam.get("method") == method and cam.get("title") else method)


def _cells(reading: Reading) -> str:
    """How coarse the map is; "" where the record doesn't know."""
    cam: Any = reading.result.model.get("cam") or {}
    layers: Sequence[Any] = reading.result.model.get("layers") or ()
    shape = next((tuple(one["shape"]) for one in layers if one.get("name") == cam.get("layer")), ())
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        return ""
    _, height, width = shape
    share = numbers.percent(1 / (height * width))
    return (
        f" The network's own map has {height} × {width} cells, each {share} of the picture: a region that is smaller "
        "than a cell can't be told from what lies right beside it."
    )
