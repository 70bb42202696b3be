"""Attributes, intersections and subjects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from audit.errors import ExitStatus, UsageError
from audit.groups import display_order, make_groupings, subject_codes
from tests.support.figures import a_table


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        pytest.param(["60+", "15-29", "0-14", "100+"], ["0-14", "15-29", "60+", "100+"], id="bands"),
        pytest.param(["18-30", "≥60", "<18"], ["<18", "18-30", "≥60"], id="open bands"),
        pytest.param(["18-30", "<18", "> 18"], ["<18", "18-30", "> 18"], id="bands that meet"),
        pytest.param(["10", "9", "-1", "2.5"], ["-1", "2.5", "9", "10"], id="numbers"),
        pytest.param(["white", "Black", "asian"], ["asian", "Black", "white"], id="words"),
        pytest.param(["type 2", "10", "9"], ["10", "9", "type 2"], id="one word among numbers"),
    ],
)
def test_values_stand_in_the_order_people_expect(values: list[str], ordered: list[str]) -> None:
    assert display_order(values) == ordered


def test_not_stated_is_a_group_of_its_own_and_last() -> None:
    (skin,) = make_groupings(a_table(skin=["light", None, "dark", np.nan]), (("skin",),))

    assert skin.keys == ({"skin": "dark"}, {"skin": "light"}, {"skin": None})
    assert skin.codes.tolist() == [1, 2, 0, 2]
    assert skin.stated.tolist() == [True, True, False]


def test_an_intersection_keeps_the_order_typed_and_only_what_occurs() -> None:
    table = a_table(skin=["light", "dark", "dark", None], gender=["male", "male", "female", "male"])
    one, other = make_groupings(table, (("gender", "skin"), ("skin", "gender")))

    assert (one.name, other.name) == ("gender*skin", "skin*gender")
    assert one.keys == (
        {"gender": "female", "skin": "dark"},
        {"gender": "male", "skin": "dark"},
        {"gender": "male", "skin": "light"},
        {"gender": "male", "skin": None},
    )
    assert [list(k) for k in other.keys] == [["skin", "gender"]] * 4
    assert one.codes.tolist() == [2, 1, 0, 3]
    assert one.stated.tolist() == [True, True, True, False]


def test_an_attribute_that_is_never_stated_is_one_group() -> None:
    (skin,) = make_groupings(a_table(skin=[None, None]), (("skin",),))

    assert skin.keys == ({"skin": None},)


def test_an_identifier_is_refused_as_an_attribute() -> None:
    table = a_table(age=[str(i) for i in range(5000)])
    with pytest.raises(UsageError) as caught:
        make_groupings(table, (("age",),))

    assert caught.value.status is ExitStatus.USAGE
    assert str(caught.value) == (
        "the attribute age has 5,000 values. Allowed: at most 1,000. "
        "Cut a number into bands with --band age=…, or group by another column."
    )


def test_a_thousand_values_are_taken() -> None:
    (age,) = make_groupings(a_table(age=[str(i) for i in range(1000)]), (("age",),))

    assert len(age.keys) == 1000


def test_subjects_are_numbered_and_the_nameless_are_alone() -> None:
    codes = subject_codes(a_table(["bo", None, "al", "bo", None], skin=["x"] * 5))

    assert codes.dtype == np.int64
    assert codes[0] == codes[3]
    assert len(set(codes.tolist())) == 4


def test_without_a_subject_column_every_image_is_its_own_subject() -> None:
    assert subject_codes(pd.DataFrame({"path": ["a", "b", "c"]})).tolist() == [0, 1, 2]
