"""What the values of all groups come to, and what is said where a group is at 0."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics.kinds import KINDS
from tests.support.figures import figures


def of(kind: str, *values: float) -> float:
    return float(KINDS[kind](np.array(values)[:, None])[0])


def test_kinds_of_three_rates() -> None:
    values = (0.1, 0.2, 0.4)

    assert of("difference", *values) == pytest.approx(0.3)
    assert of("ratio", *values) == pytest.approx(0.25)
    assert of("max_geomean", *values) == pytest.approx(0.4 / (0.1 * 0.2 * 0.4) ** (1 / 3))
    # 3 / 2 times the sum over all i and j, over 2 n^2 times the mean
    assert of("gini", *values) == pytest.approx(1.5 * 2 * (0.1 + 0.3 + 0.2) / (2 * 9 * 0.7 / 3))


@pytest.mark.parametrize("groups", [2, 3, 7, 40])
def test_equal_groups_are_exactly_alike(groups: int) -> None:
    assert [of(kind, *[0.1] * groups) for kind in KINDS] == pytest.approx([0, 1, 1, 0], abs=1e-12)
    assert of("gini", *[0.1] * groups) == 0.0


@pytest.mark.parametrize("groups", [2, 5, 100])
def test_all_in_one_group_is_a_gini_of_one(groups: int) -> None:
    assert of("gini", *[0.0] * (groups - 1), 0.3) == pytest.approx(1.0)


def test_intervals_at_equality_hold_the_neutral_value() -> None:
    found, skipped = figures([1.0, 0.0, 0.0, 0.0] * 90, [g for g in "abc" for _ in range(120)])
    wide = {d.kind: (d.value, d.low) for d in found.disparities}

    assert wide["max_geomean"] == pytest.approx((1.0, 1.0))
    assert wide["gini"] == (0.0, 0.0)
    assert found.disparity("skin", "max_geomean").high > 1.2
    assert found.disparity("skin", "gini").high > 0.05
    assert skipped == ()


def test_one_group_at_zero_has_no_geometric_mean() -> None:
    found, skipped = figures([0.0] * 40 + [1.0, 0.0] * 20, ["a"] * 40 + ["b"] * 40)
    row = found.disparity("skin", "max_geomean")

    assert (row.value, row.low, row.high) == (None, None, None)
    assert row.note == "a group is at 0, so there is no largest value over the geometric mean"
    assert [(s.measure, s.attribute, s.reason) for s in skipped] == [("wrong_label_rate", "skin", row.note)]
    assert found.disparity("skin", "gini").value == 1.0
    assert row.p_value == found.disparity("skin").p_value


@pytest.mark.parametrize("people", [40, 5], ids=["judged", "only described"])
def test_all_groups_at_zero_have_neither(people: int) -> None:
    found, skipped = figures([0.0] * 2 * people, ["a"] * people + ["b"] * people)

    assert [found.disparity("skin", k).value for k in ("max_geomean", "gini")] == [None, None]
    assert [s.reason for s in skipped] == [found.disparity("skin", k).note for k in ("max_geomean", "gini")]


def test_signed_values_have_a_difference_only() -> None:
    found, skipped = figures(
        np.random.default_rng(0).normal(size=120), ["a", "b"] * 60, proportion=False, non_negative=False
    )

    assert [d.kind for d in found.disparities] == ["difference"]
    assert skipped == ()


def test_worst_and_best_are_the_same_for_every_kind() -> None:
    found, _ = figures([1.0] * 10 + [0.0] * 30 + [1.0] * 20 + [0.0] * 20, ["a"] * 40 + ["b"] * 40)

    assert [(d.worst["skin"], d.best["skin"]) for d in found.disparities] == [("b", "a")] * 4
    assert all(math.isfinite(d.high) for d in found.disparities)


def test_a_gini_of_two_groups_says_what_their_ratio_says() -> None:
    rng = np.random.default_rng(4)
    values, names = (rng.random(400) < np.repeat([0.1, 0.4], 200)) * 1.0, ["a"] * 200 + ["b"] * 200
    found, _ = figures(values, names)
    (pair,) = found.pairs
    gini = found.disparity("skin", "gini")

    assert gini.value == pytest.approx((1 - pair.ratio) / (1 + pair.ratio))
    assert gini.low == pytest.approx((1 - pair.ratio_high) / (1 + pair.ratio_high))
    assert gini.high == pytest.approx((1 - pair.ratio_low) / (1 + pair.ratio_low))
