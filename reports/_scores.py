"""What the probabilities are worth: is the model as sure as it is right, does it tell the classes apart; by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import Estimate, GroupEstimate, Measurement
from reports import _numbers as numbers
from reports._document import Cell, Column, Section, Table, Text
from reports._grouped import LONGEST, group_cell, indicative_note, longer_note, value_cell
from reports._rates import most_different
from reports._reading import Reading, group
from reports._wording import attribute_title

ATTRIBUTES = 3


def scores(reading: Reading) -> Section | None:
    """Confidence beside right answers, and what follows from them, for the attributes that differ most."""
    calibration = reading.result.find("calibration_error")
    if calibration is None:
        return None
    text = (
        "A model knows how often it is wrong when its confidence is as high as the share of its right answers: of "
        "answers given with 90 % confidence, 90 % are right. Surer than right says by how much the one exceeds the "
        "other on average; the calibration error also sees where the two part in both directions. The area under the "
        "curve says how well the probabilities tell the classes apart, whatever the threshold: 1 is always, 0.5 is "
        "guessing."
    )
    tables = tuple(_tables(reading, calibration))
    return Section(id="scores", title="What the probabilities are worth", blocks=(Text(text), *tables))


def _tables(reading: Reading, calibration: Measurement) -> Iterator[Table]:
    for attribute in most_different(reading, calibration, ATTRIBUTES):
        groups = calibration.groups(attribute)
        rows = [(group_cell(g), *_cells(reading, g)) for g in groups[:LONGEST]]
        yield Table(
            caption=f"Confidence and right answers by {attribute_title(attribute)}",
            columns=(
                Column(attribute_title(attribute)),
                Column("Confidence", number=True),
                Column("Right answers", number=True),
                Column("Surer than right", number=True),
                Column("Calibration error", number=True),
                Column("Area under the curve", number=True),
                Column("Images", number=True),
            ),
            rows=(*rows, (Cell("all images"), *_cells(reading, None))),
            note=" ".join(filter(None, (longer_note(len(groups)), *_notes(reading, [calibration.overall, *groups])))),
        )


def _cells(reading: Reading, of: GroupEstimate | None) -> Iterator[Cell]:
    confidence, wrong = _seen(reading, "confidence", of), _seen(reading, "wrong_label_rate", of)
    calibration, area = _seen(reading, "calibration_error", of), _seen(reading, "auc", of)
    right = None if wrong is None or wrong.value is None else 1 - wrong.value
    sure = None if confidence is None else confidence.value
    yield Cell(numbers.number(sure, "share"))
    yield Cell(numbers.number(right, "share"))
    yield Cell("–" if sure is None or right is None else f"{numbers.points(sure - right)} points")
    yield _error_cell(calibration)
    yield value_cell(area, "score")
    yield Cell(numbers.count(calibration.n if calibration else 0))


def _error_cell(calibration: Estimate | None) -> Cell:
    """An estimate that its correction takes to 0 or below is no finding of 0, and must not read like one."""
    cell = value_cell(calibration, "share")
    if calibration is None or calibration.value != 0:
        return cell
    return Cell(cell.text, "; ".join(filter(None, ("not told from 0", cell.sub))))


def _notes(reading: Reading, seen: Sequence[Estimate]) -> Iterator[str]:
    if any(e.value == 0 for e in seen):
        yield (
            "Not told from 0: a calibration error is corrected for what chance alone adds, and an estimate that this "
            "takes below 0 is shown as 0. Confidence and right answers may differ all the same, by no more than chance "
            "makes them differ in so few pictures."
        )
    if any(isinstance(e, GroupEstimate) and e.indicative for e in seen):
        yield indicative_note(reading)


def _seen(reading: Reading, measure: str, of: GroupEstimate | None) -> Estimate | None:
    found = reading.result.find(measure)
    if found is None:
        return None
    return found.overall if of is None else group(found, of.attributes)
