"""Who is compared with whom: groups with the others, those of one label among themselves, wrong answers with right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from audit._map_rows import pack_differences, unpack_differences
from audit.difference_maps import difference_maps
from audit.features import MAPS, Feature
from audit.result import DifferenceMap, Skipped
from tests.support.finished import finished

N = 240


def compared(
    labels: Any, decisions: Any, maps: np.ndarray | None = None, **fields: Any
) -> tuple[tuple[DifferenceMap, ...], tuple[Skipped, ...]]:
    if maps is None:
        maps = np.random.default_rng(0).gamma(1.0, size=(len(labels), 3, 4))
        maps /= maps.sum(axis=(1, 2), keepdims=True)
    rows = np.arange(len(labels), dtype=np.int64)
    feature = Feature(name=MAPS, rows=rows, values=maps.astype(np.float32))
    return difference_maps((feature,), finished(labels, decisions, **fields), "cam")


def of(maps: Sequence[DifferenceMap], attribute: str) -> dict[tuple[str | None, ...], DifferenceMap]:
    return {tuple(m.group.values()): m for m in maps if m.attribute == attribute}


GENDER = np.arange(N) % 2
SKIN = np.array(["dark", "light", "medium"])[np.arange(N) // 2 % 3]


def test_groups_of_an_attribute_with_the_label_are_compared_among_those_of_one_label() -> None:
    maps, _ = compared(GENDER, GENDER, attributes={"skin": list(SKIN)}, groupings=[("skin",), ("gender", "skin")])
    skin, crossed = of(maps, "skin"), of(maps, "gender*skin")

    assert {m.against for m in skin.values()} == {"others"}
    assert skin["dark",].rest_n == N * 2 // 3
    assert {m.against for m in crossed.values()} == {"same label"}
    assert crossed["female", "dark"].rest_n == N // 3


def test_a_value_that_is_not_stated_is_no_group_and_in_no_rest() -> None:
    stated = [None if place < 60 else value for place, value in enumerate(SKIN)]
    maps, _ = compared(GENDER, GENDER, attributes={"skin": stated}, groupings=[("skin",)])
    skin = of(maps, "skin")

    assert set(skin) == {("dark",), ("light",), ("medium",)}
    assert {m.n + m.rest_n for m in skin.values()} == {N - 60}


def test_wrong_answers_are_compared_with_right_ones_of_the_same_class() -> None:
    decisions = np.where(np.arange(N) % 3 == 0, 1 - GENDER, GENDER)
    wrong = of(compared(GENDER, decisions)[0], "decision")

    assert set(wrong) == {("female",), ("male",)}
    assert wrong["female",].against == "right"
    assert (wrong["female",].n, wrong["female",].rest_n) == (40, 80)


def test_of_very_many_classes_wrong_answers_are_taken_together() -> None:
    classes = [f"class {k}" for k in range(25)]
    labels = np.arange(N) % 25
    decisions = np.where(np.arange(N) % 4 == 0, (labels + 1) % 25, labels)
    wrong = of(compared(labels, decisions, classes=classes, groupings=[])[0], "decision")

    assert set(wrong) == {("any",)}
    assert (wrong["any",].n, wrong["any",].rest_n) == (60, 180)


def test_without_an_answer_or_a_label_a_picture_is_neither_right_nor_wrong() -> None:
    labels, decisions = GENDER.copy(), np.where(np.arange(N) % 3 == 0, 1 - GENDER, GENDER)
    labels[:30], decisions[30:60] = -1, -1
    wrong = of(compared(labels, decisions)[0], "decision")

    assert sum(m.n + m.rest_n for m in wrong.values()) == N - 60


def test_p_is_adjusted_for_the_number_of_attributes_with_a_test() -> None:
    columns = {"skin": list(SKIN), "light": ["dim" if k % 5 else "bright" for k in range(N)]}
    maps, _ = compared(GENDER, GENDER, attributes=columns)

    assert {m.attribute for m in maps} == {"skin", "light", "gender"}
    for found in maps:
        assert found.p_value is not None
        assert found.p_adjusted == pytest.approx(min(1.0, 3 * found.p_value))


def test_what_can_not_be_compared_is_skipped_with_the_reason() -> None:
    many = [f"group {k % 120}" for k in range(N)]
    _, skipped = compared(GENDER, GENDER, attributes={"town": many}, groupings=[("town",), ("gender",)])
    _, alone = compared(GENDER, GENDER, min_subjects=200)

    assert [(s.measure, s.attribute) for s in skipped] == [("difference_map", "town")]
    assert "120 groups" in skipped[0].reason
    assert "no group has 200 subjects" in alone[0].reason


def test_without_maps_there_is_nothing_to_say() -> None:
    assert difference_maps((), finished(GENDER, GENDER), "cam") == ((), ())


def test_a_map_comes_back_from_its_row_and_its_arrays() -> None:
    maps, _ = compared(GENDER, GENDER, attributes={"skin": ["rare" if k < 12 else "common" for k in range(N)]})
    rows, arrays = [m.to_json(0.05) for m in maps], pack_differences(maps)
    back = unpack_differences(rows, arrays)

    assert [m.indicative for m in maps if m.attribute == "skin"] == [True]
    assert [m.to_json(0.05) for m in back] == rows
    assert all(np.array_equal(a.rest, b.rest) for a, b in zip(maps, back, strict=True))
    with pytest.raises(ValueError, match="don't fit together"):
        unpack_differences(rows, {**arrays, "mean-0": np.zeros((2, 2))})
