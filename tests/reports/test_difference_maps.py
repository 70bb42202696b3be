"""Difference maps in the report: in words a layman can follow, drawn with the marked cells outlined, in a table."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.result import AuditResult, DifferenceMap
from reports import _difference_maps as difference_maps
from reports._document import Picture, Table, Text
from reports._focus import focus
from reports._inside import inside
from reports._reading import Reading
from tests.support import results


def a_map(difference: np.ndarray, marked: np.ndarray | None = None, **fields: object) -> DifferenceMap:
    rest = np.full(difference.shape, 1 / difference.size)
    plain: dict[str, object] = {
        "cam": "cam", "target": "predicted", "attribute": "race", "group": {"race": "black"}, "against": "others",
        "n": 100, "subjects": 100, "rest_n": 200, "rest_subjects": 200, "indicative": False, "p_value": 0.001,
        "p_adjusted": 0.003, "mean": rest + difference, "rest": rest,
        "p_cells": np.where(difference != 0 if marked is None else marked, 0.001, 0.5),
    }  # fmt: skip
    return DifferenceMap(**(plain | fields))  # type: ignore[arg-type]


def cells(*at: tuple[int, int], side: int = 7) -> np.ndarray:
    made = np.zeros((side, side))
    for row, column in at:
        made[row, column] = 0.01
    return made


def reading_of(*maps: DifferenceMap) -> Reading:
    return Reading(dataclasses.replace(results.faces(), difference_maps=maps))


def test_the_sentence_says_more_less_where_and_compared_with_whom() -> None:
    found = a_map(cells((0, 0)) - cells((6, 6)))
    said = difference_maps.sentence(reading_of(found), found)

    assert said == (
        "On pictures of black people the model looks more at the upper left (9.2 % of the relevance lies there, not "
        "8.2 %) and less at the lower right (7.2 %, not 8.2 %), compared with pictures of the other groups of race. Of "
        "the 49 cells of the map 2 differ by more than chance (p 0.0010)."
    ).replace(" %", "\u00a0%")


@pytest.mark.parametrize(
    ("fields", "who", "others"),
    [
        (
            {"attribute": "gender*race", "group": {"gender": "female", "race": "black"}, "against": "same label"},
            "On pictures of black women",
            "compared with pictures of other women.",
        ),
        (
            {"attribute": "decision", "group": {"decision": "female"}, "against": "right"},
            "On pictures with a wrong answer “female”",
            "compared with pictures where that answer is right.",
        ),
        (
            {"attribute": "decision", "group": {"decision": "any"}, "against": "right"},
            "On pictures with a wrong answer the model",
            "right.",
        ),
        ({"attribute": "light", "group": {"light": "dim"}}, "with light = dim", "the other groups of light."),
    ],
)
def test_the_sentence_names_both_sides(fields: dict[str, object], who: str, others: str) -> None:
    found = a_map(cells((0, 0)), **fields)
    said = difference_maps.sentence(reading_of(found), found)

    assert who in said
    assert others in said


def test_two_groups_are_compared_with_each_other() -> None:
    women = a_map(cells((0, 0)), attribute="gender", group={"gender": "female"})
    men = a_map(-cells((0, 0)), attribute="gender", group={"gender": "male"})

    assert "compared with pictures of men." in difference_maps.sentence(reading_of(women, men), women)


def test_a_section_has_a_sentence_a_drawing_and_its_table() -> None:
    section = focus(Reading(results.faces()))
    assert section is not None
    crossed = next(s for s in section.sections if s.title == "By gender × race")
    said = next(b for b in crossed.blocks if isinstance(b, Text) and "looks" in b.text)
    picture = next(b for b in crossed.blocks if isinstance(b, Picture) and "mean map" in b.alt.lower())
    table = next(b for b in crossed.blocks if isinstance(b, Table) and b.caption.startswith("Where maps differ"))

    assert said.text.startswith("On pictures of black women the model looks more at")
    assert "Outlined cells differ" in picture.caption
    assert "stroke-dasharray" in picture.svg
    assert {row[0].text: row[2].text for row in table.rows}["female · black"].endswith("of 49")
    assert {row[0].text: row[0].mark for row in table.rows}["male · indian"] == "weak"


def test_maps_that_do_not_differ_have_no_outline_and_no_finding() -> None:
    quiet = tuple(
        dataclasses.replace(m, p_value=None if m.indicative else 0.6, p_adjusted=None, p_cells=np.full((7, 7), 0.6))
        for m in results.faces().difference_maps
    )
    result = dataclasses.replace(results.faces(), difference_maps=quiet)
    section = focus(Reading(result))
    assert section is not None
    pictures = [b for s in section.sections for b in s.blocks if isinstance(b, Picture) and "mean map" in b.alt.lower()]
    said = [b.text for s in section.sections for b in s.blocks if isinstance(b, Text)]

    assert all("No cell differs" in p.caption and "stroke-dasharray" not in p.svg for p in pictures)
    assert any("No cell differs by more than chance (smallest p 0.60)" in text for text in said)
    assert not told(result)


def told(result: AuditResult) -> list[str]:
    about = (f.sentence for f in inside(Reading(result)) if f.topic == "Focus")
    return [sentence for sentence in about if "compared with pictures" in sentence]


def test_what_is_claimed_of_maps_that_are_not_drawn_stands_in_a_table_at_least() -> None:
    found = a_map(cells((0, 0)))
    kinds = [type(b) for b in difference_maps.blocks(reading_of(found), (found,), "maps", draw=False)]
    quiet = a_map(cells())

    assert kinds == [Text, Table]
    assert list(difference_maps.blocks(reading_of(quiet), (quiet,), "maps", draw=False)) == []


def test_a_difference_that_no_part_of_the_picture_shows_names_none() -> None:
    found = a_map(cells((0, 0)) - 2 * cells((0, 1), (1, 0), (1, 1)), marked=cells((0, 0)) > 0)
    said = difference_maps.sentence(reading_of(found), found)

    assert "the model looks elsewhere here and there, compared with" in said
    assert "Of the 49 cells of the map 1 differs by more than chance" in said


def test_a_finding_needs_what_survives_the_adjustment_and_is_not_of_the_label_alone() -> None:
    label_only = tuple(m for m in results.faces().difference_maps if m.attribute == "gender")
    weak = tuple(dataclasses.replace(m, p_adjusted=0.2) for m in results.faces().difference_maps)

    assert told(results.faces())[0].startswith("On pictures of black women the model looks more at")
    assert told(dataclasses.replace(results.faces(), difference_maps=label_only)) == []
    assert told(dataclasses.replace(results.faces(), difference_maps=weak)) == []


def test_a_sample_is_said_to_be_one() -> None:
    maps = results.faces().difference_maps
    fewer = tuple(dataclasses.replace(m, n=m.n // 2) for m in maps if m.attribute == "race")
    (whole, some) = (
        next(b for b in difference_maps.blocks(reading_of(*of), of, "maps") if isinstance(b, Picture))
        for of in (tuple(m for m in maps if m.attribute == "race"), fewer)
    )

    assert "sample" not in whole.caption
    assert "Mean map by race, of a sample of 592 of 1,184 images; beneath it" in some.caption


def test_groups_too_small_for_a_test_are_said_to_be() -> None:
    small = a_map(cells((0, 0)), p_value=None, p_adjusted=None, p_cells=None, indicative=True)
    reading = reading_of(small)
    said, picture, table = difference_maps.blocks(reading, (small,), "maps")

    assert isinstance(said, Text)
    assert said.text.startswith("Too few subjects to say where maps differ")
    assert isinstance(picture, Picture)
    assert isinstance(table, Table)
    assert "In italics: fewer than 30 subjects on one side" in table.note
