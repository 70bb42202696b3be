"""From values to the record's measurements: edge cases, marks and reasons."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from audit._rows import plain
from audit.errors import UsageError
from audit.groups import make_groupings, subject_codes
from audit.summary import Options, summarise
from tests.support.figures import a_measure, a_table, figures

LEVELS = ["light"] * 60 + ["dark"] * 60
WRONG = np.array(([0.0] * 9 + [1.0]) * 6 + ([0.0] * 2 + [1.0]) * 20)


def numbers(value: Any) -> list[Any]:
    """Everything in a record that is no text."""
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [] if isinstance(value, str) else [value]


def test_a_measurement_says_everything_about_its_measure() -> None:
    found, skipped = figures(WRONG, LEVELS, title="Wrong-gender rate", parameters={"cam": "x"})

    assert (found.measure, found.title, found.parameters) == ("wrong_label_rate", "Wrong-gender rate", {"cam": "x"})
    assert (found.overall.n, found.overall.subjects) == (120, 120)
    assert [g.attributes for g in found.by_group] == [{"skin": "dark"}, {"skin": "light"}]
    assert [g.value for g in found.by_group] == pytest.approx([1 / 3, 0.1])
    assert [d.kind for d in found.disparities] == ["difference", "ratio", "max_geomean", "gini"]
    assert skipped == ()


@pytest.mark.parametrize(
    ("better", "worst"), [("lower", "dark"), ("higher", "light"), ("none", "dark")], ids=["lower", "higher", "none"]
)
def test_worst_follows_the_measures_own_direction(better: str, worst: str) -> None:
    found, _ = figures(WRONG, LEVELS, better=better)

    assert {d.worst["skin"] for d in found.disparities} == {worst}
    assert {d.best["skin"] for d in found.disparities} == {"dark", "light"} - {worst}


def test_a_small_group_is_shown_and_marked_but_not_compared() -> None:
    found, _ = figures([*WRONG, *[1.0] * 29], [*LEVELS, *["rare"] * 29])
    gap = found.disparity("skin")

    assert [g.indicative for g in found.by_group] == [False, False, True]
    assert gap.value == pytest.approx(1 / 3 - 0.1)
    assert gap.left_out == ({"skin": "rare"},)
    assert not gap.descriptive


def test_thirty_people_are_evidence() -> None:
    found, _ = figures([*WRONG, *[1.0] * 30], [*LEVELS, *["rare"] * 30])

    assert found.disparity("skin").left_out == ()


def test_evidence_is_counted_in_people_not_pictures() -> None:
    subjects = [*range(120), *[200 + i // 3 for i in range(60)]]
    found, _ = figures([*WRONG, *[1.0] * 60], [*LEVELS, *["rare"] * 60], subjects)

    assert found.groups("skin")[2].indicative
    assert (found.groups("skin")[2].n, found.groups("skin")[2].subjects) == (60, 20)


def test_evidence_is_counted_over_images_that_count_for_the_measure() -> None:
    values = np.concatenate([WRONG, np.where(np.arange(50) < 29, 0.0, np.nan)])
    found, _ = figures(values, [*LEVELS, *["dull"] * 50])

    assert found.disparity("skin").left_out == ({"skin": "dull"},)


def test_not_stated_is_shown_and_never_in_a_gap() -> None:
    found, _ = figures([*WRONG, *[1.0] * 40], [*LEVELS, *[None] * 40])
    missing = found.groups("skin")[-1]

    assert (missing.attributes, missing.value, missing.indicative) == ({"skin": None}, 1.0, False)
    assert found.disparity("skin").value == pytest.approx(1 / 3 - 0.1)
    assert found.disparity("skin").left_out == ()
    assert len(found.pairs) == 1


def test_fewer_than_two_groups_with_evidence_give_a_described_gap() -> None:
    found, _ = figures([*WRONG[:60], *[1.0] * 10], [*LEVELS[:60], *["dark"] * 10])
    gap = found.disparity("skin")

    assert gap.descriptive
    assert (gap.value, gap.low, gap.high) == (pytest.approx(0.9), None, None)
    assert gap.left_out == ({"skin": "dark"},)
    assert gap.worst == {"skin": "dark"}
    assert found.pairs == ()


def test_one_group_has_nothing_to_be_compared_with() -> None:
    found, skipped = figures(WRONG, ["light"] * 120)

    assert found.disparities == ()
    assert [(s.attribute, s.reason) for s in skipped] == [
        ("skin", "fewer than two groups of skin are stated, so there is nothing to compare")
    ]


def test_a_group_where_nothing_counts_is_left_out_by_name() -> None:
    values = np.concatenate([WRONG, np.full(40, np.nan)])
    found, _ = figures(values, [*LEVELS, *["zz"] * 40])
    empty = found.groups("skin")[-1]

    assert (empty.value, empty.low, empty.n, empty.subjects, empty.indicative) == (None, None, 0, 0, True)
    assert found.disparity("skin").left_out == ({"skin": "zz"},)


def test_values_in_one_group_only_are_skipped_for_that_attribute() -> None:
    values = np.concatenate([WRONG[:60], np.full(60, np.nan)])
    found, skipped = figures(values, LEVELS)

    assert found.disparities == ()
    assert skipped[0].reason == "fewer than two groups of skin have a value, so there is nothing to compare"


def test_a_measure_where_nothing_counts_is_skipped() -> None:
    found, skipped = figures(np.full(120, np.nan), LEVELS)

    assert (found.overall.value, found.overall.n, found.by_group) == (None, 0, ())
    assert [(s.measure, s.attribute, s.reason) for s in skipped] == [
        ("wrong_label_rate", None, "no image counts for this measure")
    ]


def test_one_person_in_a_group_has_no_interval() -> None:
    found, _ = figures([*WRONG, 1.0, 0.0], [*LEVELS, "zz", "zz"], [*range(120), 500, 500])
    lonely = found.groups("skin")[-1]

    assert (lonely.value, lonely.low, lonely.high, lonely.n, lonely.subjects) == (0.5, None, None, 2, 1)


def test_even_a_minimum_of_one_person_never_compares_a_single_one() -> None:
    found, _ = figures([*WRONG, 1.0], [*LEVELS, "zz"], min_subjects=1)

    assert found.disparity("skin").left_out == ({"skin": "zz"},)


def test_a_measure_that_means_nothing_within_the_label_is_skipped_there() -> None:
    table = a_table(gender=["f", "m"] * 60, skin=LEVELS)
    why = "a group made from the label has no negatives"
    groupings = make_groupings(table, (("gender",), ("skin",), ("skin", "gender")))
    rate = a_measure("selection_rate", not_within_label=why)
    (found,), skipped = summarise(WRONG[:, None], [rate], groupings, subject_codes(table), "gender", Options())

    assert {d.attribute for d in found.disparities} == {"skin"}
    assert found.groups("gender") == ()
    assert [(s.attribute, s.reason) for s in skipped] == [("gender", why), ("skin*gender", why)]


def test_more_than_a_hundred_groups_are_shown_but_not_compared() -> None:
    names = [f"{i % 101:03}" for i in range(101 * 31)]
    found, skipped = figures(np.arange(101 * 31) % 2, names)

    assert len(found.by_group) == 101
    assert found.disparities == ()
    assert skipped[0].reason == "skin has 101 groups; at most 100 can be compared with one another"


def test_a_hundred_groups_are_compared() -> None:
    names = [f"{i % 100:03}" for i in range(3100)]
    found, _ = figures(np.random.default_rng(0).random(3100) < 0.3, names)

    assert found.disparity("skin").low == 0.0
    assert found.pairs == ()


def test_pairs_are_listed_for_up_to_twelve_groups() -> None:
    twelve, _ = figures(np.arange(480) % 2, [f"g{i % 12}" for i in range(480)])
    thirteen, _ = figures(np.arange(520) % 2, [f"g{i % 13}" for i in range(520)])

    assert len(twelve.pairs) == 66
    assert thirteen.pairs == ()


def test_a_pairs_ratio_is_smaller_over_larger_whichever_comes_first() -> None:
    found, _ = figures(WRONG, LEVELS)
    turned, _ = figures(WRONG, ["b" if g == "dark" else "a" for g in LEVELS])
    one, other = found.pairs[0], turned.pairs[0]

    assert one.difference == pytest.approx(-other.difference)
    assert (one.difference_low, one.difference_high) == pytest.approx((-other.difference_high, -other.difference_low))
    assert (one.ratio, one.ratio_low, one.ratio_high) == pytest.approx((other.ratio, other.ratio_low, other.ratio_high))
    assert one.ratio == pytest.approx(0.3)


def test_measures_do_not_see_one_another() -> None:
    rng = np.random.default_rng(0)
    kinds = [{"proportion": i % 3 == 0, "non_negative": i % 2 == 0} for i in range(70)]
    values = np.where([k["proportion"] for k in kinds], rng.random((120, 70)) < 0.2, rng.random((120, 70)))
    values[rng.random(values.shape) < 0.1] = np.nan
    table = a_table(skin=LEVELS)
    groupings = make_groupings(table, (("skin",),))
    measures = [a_measure(f"m{i}", **k) for i, k in enumerate(kinds)]
    together, _ = summarise(values, measures, groupings, subject_codes(table), "gender", Options())
    alone = [
        summarise(values[:, [i]], [m], groupings, subject_codes(table), "gender", Options())[0][0]
        for i, m in enumerate(measures)
    ]

    assert [m.measure for m in together] == [m.name for m in measures]
    assert list(together) == alone


@pytest.mark.parametrize("proportion", [True, False], ids=["proportion", "mean"])
@pytest.mark.parametrize(
    "values",
    [np.zeros(120), np.ones(120), np.full(120, np.nan), np.where(np.arange(120) < 60, 0.0, 1.0), WRONG],
    ids=["none", "all", "nothing counts", "one group all", "some"],
)
def test_the_record_holds_plain_finite_numbers(values: np.ndarray, proportion: bool) -> None:
    found, skipped = figures(values, [None if i % 7 == 0 else g for i, g in enumerate(LEVELS)], proportion=proportion)
    record = [plain(found), *(plain(s) for s in skipped)]

    json.dumps(record, allow_nan=False)
    assert {type(n) for n in numbers(record)} <= {int, float, bool, type(None)}
    assert all(math.isfinite(n) for n in numbers(record) if isinstance(n, float))


def test_an_empty_table_gives_empty_measurements() -> None:
    (found,), skipped = summarise(np.zeros((0, 1)), [a_measure()], (), np.zeros(0, dtype=np.int64), "gender", Options())

    assert (found.overall.n, len(skipped)) == (0, 1)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, math.nan])
def test_a_level_that_is_none_is_refused(alpha: float) -> None:
    with pytest.raises(UsageError, match="Allowed: a number above 0 and below 1"):
        Options(alpha=alpha)


def test_a_stricter_level_gives_wider_intervals() -> None:
    usual, _ = figures(WRONG, LEVELS)
    strict, _ = figures(WRONG, LEVELS, alpha=0.001)

    assert strict.overall.low < usual.overall.low
    assert strict.disparity("skin").high > usual.disparity("skin").high


def test_an_interval_holds_no_value_that_the_measure_cannot_have() -> None:
    values = np.where(np.arange(40) % 20, 1.0, 0.2)
    sure = figures(values, ["a"] * 40, proportion=False, unit="share")[0].by_group[0]
    level = figures(values, ["a"] * 40, proportion=False, unit="level")[0].by_group[0]
    low = figures(1 - values, ["a"] * 40, proportion=False, unit="score")[0].by_group[0]
    signed = figures(1 - values, ["a"] * 40, proportion=False, unit="score", non_negative=False)[0].by_group[0]

    assert sure.high == 1.0
    assert level.high > 1.0
    assert low.low == 0.0
    assert signed.low < 0.0


SMALL = ["a"] * 5 + ["b"] * 5 + ["c"] * 5
ACTIVATION = {"proportion": False, "family": "activations", "better": "none"}


def strengths(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(1.0, 0.2, n).clip(0.01)


def test_activations_of_groups_too_small_get_a_p_by_permutation_and_no_interval() -> None:
    found, _ = figures(strengths(15), SMALL, **ACTIVATION)
    difference, ratio = found.disparity("skin"), found.disparity("skin", "ratio")

    assert (ratio.p_method, ratio.p_adjusted, ratio.low, ratio.high) == ("permutation", None, None, None)
    assert ratio.descriptive
    assert 0 < ratio.p_value <= 1
    assert difference.p_value == ratio.p_value
    assert (difference.null_quantile, 0 < ratio.null_quantile < 1) == (None, True)
    assert ratio.note == "permutation over all 126,126 ways to deal 15 subjects out to the groups"


def test_other_measures_of_groups_too_small_get_no_p() -> None:
    found, _ = figures(strengths(15), SMALL, proportion=False, family="quality")

    assert {d.p_value for d in found.disparities} == {None}


def test_groups_with_evidence_keep_to_intervals_and_the_others_stay_out() -> None:
    found, _ = figures(strengths(75), ["a"] * 30 + ["b"] * 30 + ["c"] * 15, **ACTIVATION)
    ratio = found.disparity("skin", "ratio")

    assert (ratio.descriptive, ratio.p_method == "permutation", ratio.null_quantile) == (False, False, None)
    assert ratio.left_out == ({"skin": "c"},)


def test_a_layer_that_no_picture_moves_has_no_p_and_no_ratio() -> None:
    found, _ = figures(np.zeros(15), SMALL, **ACTIVATION)
    ratio = found.disparity("skin", "ratio")

    assert (ratio.value, ratio.p_value, ratio.p_method) == (None, None, None)
    assert "no p: the mean of every group is 0" in ratio.note


def test_a_group_without_a_value_takes_no_part_in_the_permutation() -> None:
    values = np.where(np.array(SMALL) == "c", np.nan, strengths(15))
    found, _ = figures(values, SMALL, **ACTIVATION)

    assert found.disparity("skin", "ratio").note.startswith("permutation over all 126 ways to deal 10 subjects")
