"""What the report says of evidence by region and of the overlap of two classes' maps."""

from __future__ import annotations

from typing import Any

from audit.result import Measurement
from reports._document import Table, Text
from reports._evidence import evidence
from reports._reading import Reading
from tests.support.audits import estimate, measured, result


def focus(measure: str, value: float, decisions: str = "all", region: str | None = None) -> Measurement:
    parameters = {"cam": "infocam", "target": "predicted", "decisions": decisions}
    more: dict[str, Any] = {"family": "focus", "unit": "logits" if region else "share"}
    own = estimate(value, value / 2, value * 2)
    placed = {**parameters, "region": region} if region else parameters
    return measured(measure=measure, parameters=placed, overall=own, groups=(), **more)


def blocks(*measurements: Measurement) -> list[Any]:
    return list(evidence(Reading(result(*measurements))))


def test_each_region_has_a_row_with_for_and_against_of_all_and_of_wrong_answers() -> None:
    numbers = {("evidence_for", "all"): 2.0, ("evidence_against", "all"): 0.5, ("evidence_for", "right"): 9.0,
               ("evidence_for", "wrong"): 0.25, ("evidence_against", "wrong"): 4.0}  # fmt: skip
    found = blocks(*(focus(name, value, which, "eyes") for (name, which), value in numbers.items()))
    [table] = [b for b in found if isinstance(b, Table)]

    assert [[cell.text for cell in row] for row in table.rows] == [
        ["eyes", "2.00\u00a0logits", "0.500\u00a0logits", "0.250\u00a0logits", "4.00\u00a0logits", "500"]
    ]
    assert table.rows[0][1].sub == "1.00 to 4.00\u00a0logits"


def test_a_region_without_wrong_answers_has_a_dash_there() -> None:
    found = blocks(focus("evidence_for", 2.0, region="eyes"), focus("evidence_against", 0.5, region="eyes"))
    [table] = [b for b in found if isinstance(b, Table)]

    assert len(table.rows[0]) == len(table.columns)
    assert [cell.text for cell in table.rows[0][3:5]] == ["–", "–"]


def test_the_overlap_is_said_in_a_sentence() -> None:
    [sentence] = [b.text for b in blocks(focus("class_overlap", 0.107)) if isinstance(b, Text)]

    assert "overlap by 10.7\u00a0%" in sentence


def test_without_either_nothing_is_said() -> None:
    assert blocks() == []
