"""Strata of attributes and of picture quality: what is planted is found, what can't be compared is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.groups import make_groupings
from audit.result import AuditResult
from audit.strata import quality_strata
from tests.support import audits
from tests.support.figures import a_table
from tests.support.strata import compared, within


def repeated(rows: list[tuple[str, str, int, int]]) -> tuple[np.ndarray, list[str], list[str]]:
    """Values, groups and strata from (group, stratum, pictures, wrong)."""
    values = np.concatenate([np.r_[np.ones(wrong), np.zeros(n - wrong)] for _, _, n, wrong in rows])
    return values, [g for g, _, n, _ in rows for _ in range(n)], [k for _, k, n, _ in rows for _ in range(n)]


# In dim and in bright pictures the model is wrong more often about light skin; over all about dark skin, who are
# photographed in dim light.
SIMPSON = repeated(
    [
        ("dark", "dim", 900, 270),
        ("light", "dim", 150, 75),
        ("dark", "bright", 150, 6),
        ("light", "bright", 900, 108),
    ]
)


def test_simpsons_reversal_is_found() -> None:
    ((measurement,), _) = compared(*SIMPSON)
    gap, row = measurement.disparity("skin"), measurement.within[0]

    assert gap.worst == {"skin": "dark"}
    assert gap.clear
    assert row.worst == {"skin": "light"}
    assert row.clear
    assert [s.worst for s in row.strata] == [{"skin": "light"}, {"skin": "light"}]
    assert row.comparable == 1.0


def test_a_gap_of_brightness_vanishes_among_pictures_of_like_brightness() -> None:
    rng = np.random.default_rng(0)
    skin = np.repeat(["dark", "light"], 1500)
    brightness = rng.normal(np.where(skin == "dark", 110, 130), 25)
    wrong = rng.random(3000) < np.where(brightness < 110, 0.3, np.where(brightness < 130, 0.15, 0.05))
    same = np.full(3000, 64.0 * 64)
    strata = quality_strata({"brightness": brightness, "sharpness": rng.random(3000), "pixels": same})
    ((measurement,), _) = compared(wrong, skin.tolist(), strata)

    assert strata.attributes == ("brightness", "sharpness")
    assert measurement.disparity("skin").clear
    assert not measurement.within[0].clear
    assert measurement.within[0].comparable == 1.0
    assert measurement.within[0].strata == ()


def test_no_effect_is_none() -> None:
    rng = np.random.default_rng(1)
    skin, light = rng.choice(["a", "b", "c"], 1200).tolist(), rng.choice(["x", "y"], 1200).tolist()
    ((*found,), _) = compared((rng.random((1200, 200)) < 0.1).astype(float), skin, light)

    assert np.mean([m.within[0].clear for m in found]) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_difference_in_one_stratum_only_is_found_there() -> None:
    rows = [
        ("dark", "dim", 300, 90),
        ("light", "dim", 300, 30),
        ("dark", "bright", 300, 30),
        ("light", "bright", 300, 90),
    ]
    row = within(*repeated(rows))

    assert not row.clear
    assert [(s.attributes["light"], s.low > 0, s.worst["skin"]) for s in row.strata] == [
        ("bright", True, "light"),
        ("dim", True, "dark"),
    ]
    assert [(s.n, s.subjects) for s in row.strata] == [(600, 600), (600, 600)]


def test_a_stratum_with_one_group_or_too_few_people_is_left_out_and_named() -> None:
    rows = [
        ("a", "x", 100, 9),
        ("b", "x", 100, 30),
        ("a", "y", 100, 9),
        ("a", "z", 50, 3),
        ("b", "z", 29, 20),
        ("c", "z", 1, 1),
    ]
    row = within(*repeated(rows))

    assert row.value == pytest.approx(0.21)
    assert row.left_out == ({"light": "y"}, {"light": "z"})
    assert row.comparable == pytest.approx(200 / 380)
    assert row.note == "not compared, for too few subjects in every stratum: c"


def test_pairs_without_a_common_stratum_are_counted() -> None:
    rows = [("a", "x", 50, 9), ("b", "x", 50, 20), ("b", "y", 50, 9), ("c", "y", 50, 20)]

    assert within(*repeated(rows)).note == "1 of the pairs of groups share no stratum with enough subjects of both"


def test_nothing_comparable_is_skipped_with_the_reason() -> None:
    rows = [("a", "x", 50, 9), ("b", "y", 50, 20)]
    ((measurement,), (skipped,)) = compared(*repeated(rows))

    assert measurement.within == ()
    assert skipped.parameters == {"within": "light"}
    assert "nothing is comparable" in skipped.reason


@pytest.mark.parametrize(
    ("skin", "light", "reason"),
    [
        (lambda i: str(i % 30), lambda i: str(i % 20), "make 600 cells"),
        (lambda i: str(i % 101), lambda i: "xy"[i % 2], "101 groups"),
        (lambda i: "a", lambda i: "xy"[i % 2], "fewer than two groups"),
    ],
    ids=["cells", "groups", "one group"],
)
def test_too_many_or_too_few_are_skipped_with_the_reason(skin, light, reason) -> None:
    rng = np.random.default_rng(0)
    n = 4000
    _, skipped = compared(rng.integers(0, 2, n), [skin(i) for i in rng.permutation(n)], [light(i) for i in range(n)])

    assert reason in skipped[0].reason


def test_an_attribute_within_itself_is_skipped() -> None:
    values, skin, _ = SIMPSON
    strata = make_groupings(a_table(skin=skin), (("skin",),))[0]
    _, (skipped,) = compared(values, skin, strata)

    assert "skin in common" in skipped.reason


@pytest.mark.parametrize("values", [np.full(400, np.nan), np.zeros(400), np.ones(400)], ids=["nan", "none", "all"])
def test_nothing_or_everything_wrong_is_no_number_that_is_none(values: np.ndarray) -> None:
    ((measurement,), _) = compared(values, ["a", "b"] * 200, ["x"] * 200 + ["y"] * 200)

    assert [(w.value, w.low, w.p_value, w.worst) for w in measurement.within] in ([], [(0.0, 0.0, 1.0, None)])


def test_a_stratum_that_separates_right_from_wrong_is_no_certainty() -> None:
    row = within(*repeated([("a", "x", 40, 0), ("b", "x", 40, 0), ("a", "y", 40, 40), ("b", "y", 40, 40)]))

    assert row.value == 0
    assert 0.05 < row.high < 0.3


def test_thirds_never_split_equal_values_and_leave_constants_out() -> None:
    strata = quality_strata(
        {
            "brightness": np.array([1.0, 1, 1, 1, 2, 3, np.nan]),
            "sharpness": np.arange(7.0),
            "pixels": np.full(7, 9.0),
        }
    )

    assert strata.attributes == ("brightness", "sharpness")
    keys = [strata.keys[c] for c in strata.codes]
    assert {k["brightness"] for k in keys[:4]} == {"middle third"}
    assert {k["brightness"] for k in keys[4:6]} == {"brightest third"}
    assert keys[6] == {"brightness": None, "sharpness": None}
    assert not strata.stated[strata.codes[-1]]


def test_thirds_are_thirds() -> None:
    strata = quality_strata({"brightness": np.random.default_rng(0).permutation(300.0 + np.arange(300))})

    assert np.bincount(strata.codes).tolist() == [100, 100, 100]
    assert [k["brightness"] for k in strata.keys] == ["darkest third", "middle third", "brightest third"]


def test_doubled_pictures_have_the_same_thirds() -> None:
    values = np.random.default_rng(0).integers(0, 9, 100).astype(float)
    once, twice = (quality_strata({"sharpness": np.tile(values, k)}) for k in (1, 2))

    assert twice.keys == once.keys
    assert twice.codes[:100].tolist() == once.codes.tolist()


@pytest.mark.parametrize("value", [3.0, np.nan], ids=["all alike", "unreadable"])
def test_quality_that_is_the_same_everywhere_makes_no_strata(value: float) -> None:
    assert quality_strata({"brightness": np.full(9, value), "pixels": np.full(9, value)}) is None


def test_goes_to_json_and_back() -> None:
    ((measurement,), skipped) = compared(*SIMPSON)
    result = audits.result(measurement, skipped=skipped)

    assert AuditResult.from_json(json.loads(result.to_bytes())).measurements == (measurement,)
