"""The head of the section on focus: what a map is, and where it lies for right and wrong answers apart."""

from __future__ import annotations

import dataclasses

from reports._document import Table, Text
from reports._reading import Reading
from reports._regions import explained, outlined, overview
from tests.support import results


def test_right_and_wrong_answers_stand_apart() -> None:
    faces = results.faces()
    mass = Reading(faces).focus("relevance_mass")
    first = mass[0]
    wrong = dataclasses.replace(
        first,
        parameters={**first.parameters, "target": "predicted", "decisions": "wrong"},
        overall=dataclasses.replace(first.overall, value=0.123, n=17),
    )
    table = overview(Reading(dataclasses.replace(faces, measurements=(*faces.measurements, wrong))), mass)

    assert isinstance(table, Table)
    assert len(table.rows) == len(mass)
    cells = dict(zip([c.name for c in table.columns], table.rows[0], strict=True))
    assert cells["Share, wrong answers"].text == "12.3\u00a0%"
    assert "17 pictures" in table.note


def test_how_coarse_the_map_is_stands_in_words() -> None:
    faces = results.faces()
    layer = {"name": "last", "shape": [64, 7, 7], "depth": 1.0, "tapped": True}
    cam = {"method": "cam", "title": "CAM", "layer": "last"}
    known = dataclasses.replace(faces, model={**faces.model, "layers": [layer], "cam": cam})
    said = [" ".join(str(getattr(b, "text", "")) for b in explained(Reading(r), ["cam"])) for r in (known, faces)]

    assert "7 × 7 cells, each 2.0\u00a0% of the picture" in said[0]
    assert "method CAM" in said[0]
    assert "cells, each" not in said[1] or faces.model.get("layers")


def test_without_regions_there_is_no_table() -> None:
    assert overview(Reading(results.bare()), ()) is None


def test_what_a_region_of_landmarks_covers_is_said_where_landmarks_are_and_it_is() -> None:
    faces = results.faces()
    first = Reading(faces).focus("relevance_mass")[0]
    jaw, brows = (dataclasses.replace(first, parameters={"region": name}) for name in ("jaw", "brows"))
    with_landmarks, without = (
        Reading(dataclasses.replace(faces, probe={**faces.probe, "files": files}))
        for files in ({"landmarks68.csv": "sha256 0"}, {})
    )
    (said,) = outlined(with_landmarks, [jaw, brows])

    assert isinstance(said, Text)
    assert "“jaw” is all of the face below a line from ear to ear" in said.text
    assert "“face”" not in said.text
    assert list(outlined(without, [jaw])) == []
    assert list(outlined(with_landmarks, [brows])) == []
