"""Between groups: gaps and pairs against the slow second implementation, and the rules about zeros."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics._quantiles import simultaneous, tail
from tests.support.figures import figures
from tests.support.slow_statistics import Slow, range_quantile, range_tail, slow


def table_quantile(alpha: float, groups: int, df: float) -> float:
    """The audit's own, so that everything else can be compared exactly."""
    return float(simultaneous(alpha, groups, np.array([df]))[0])


def table_tail(critical: float, groups: int, df: float) -> float:
    return float(tail(critical, groups, df))


TABLE = {"critical": table_quantile, "tail": table_tail}


def a_set(seed: int, *, groups: int, shared: bool, proportion: bool):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    people = 60 * groups
    subjects = np.repeat(np.arange(people), rng.integers(1, 7, people))
    home = rng.integers(0, groups, people)[subjects]
    visiting = rng.random(len(subjects)) < (0.4 if shared else 0.0)
    codes = np.where(visiting, rng.integers(0, groups, len(subjects)), home)
    risk = np.clip(rng.beta(0.6, 3.0, people)[subjects] + 0.06 * codes, 0, 1)
    if proportion:
        values = (rng.random(len(risk)) < risk).astype(float)
    else:
        values = np.exp(2 * risk + 0.5 * rng.normal(size=len(risk)))
    values[rng.random(len(values)) < 0.05] = np.nan
    return values, [f"g{c}" for c in codes], subjects


CASES = [
    pytest.param(groups, shared, proportion, id=f"{groups} groups, {who}, {what}")
    for groups in (2, 3, 6)
    for shared, who in ((False, "apart"), (True, "sharing people"))
    for proportion, what in ((True, "proportions"), (False, "means"))
]


def same(mine, theirs, rel: float) -> bool:  # type: ignore[no-untyped-def]
    """Value and limits, None only where the other has none; infinite is None in the record."""
    theirs = [None if x is None or math.isinf(x) else pytest.approx(x, rel=rel) for x in theirs or (None,) * 3]
    return list(mine) == theirs


def check(found, expected: Slow, rel: float) -> None:  # type: ignore[no-untyped-def]
    difference, ratio = found.disparity("skin"), found.disparity("skin", "ratio")
    pairs = {(p.first["skin"], p.second["skin"]): p for p in found.pairs}

    assert (difference.value, difference.low, difference.high) == pytest.approx(expected.difference, rel=rel)
    assert same((ratio.value, ratio.low, ratio.high), expected.ratio, rel)
    for kind, slow_one in (("max_geomean", expected.max_geomean), ("gini", expected.gini)):
        row = found.disparity("skin", kind)
        assert same((row.value, row.low, row.high), slow_one, rel)
    for row in found.disparities:
        assert (row.p_value, row.p_method) == (pytest.approx(expected.p, rel=5 * rel, abs=1e-12), "closed form")
    for names, pair in pairs.items():
        assert pair.p_value == pytest.approx(expected.pair_p[names], rel=5 * rel, abs=1e-12)
        assert (pair.difference, pair.difference_low, pair.difference_high) == pytest.approx(
            expected.pairs[names], rel=rel
        )


@pytest.mark.parametrize(("groups", "shared", "proportion"), CASES)
def test_gaps_agree_with_the_slow_implementation(groups: int, shared: bool, proportion: bool) -> None:
    for seed in range(4):
        values, names, subjects = a_set(seed, groups=groups, shared=shared, proportion=proportion)
        found, _ = figures(values, names, subjects, proportion=proportion)
        expected = slow(values, names, subjects, proportion=proportion, **TABLE)

        check(found, expected, 1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_random_tables_agree_with_the_slow_implementation(seed: int) -> None:
    """Rare events and none, groups too small to be judged, not stated, people with one picture and with fifty, shares
    of which a group has only zeros."""
    rng = np.random.default_rng([seed, 77])
    groups, people = int(rng.integers(2, 8)), int(rng.integers(80, 400))
    pictures = np.maximum(1, rng.geometric(rng.uniform(0.1, 1.0), people))
    subjects = np.repeat(np.arange(people), pictures)
    home = rng.choice(groups, people, p=rng.dirichlet(np.full(groups, 2.0)))[subjects]
    visiting = rng.random(len(subjects)) < rng.choice([0.0, 0.3])
    names = [f"g{c}" if c < 6 else None for c in np.where(visiting, rng.integers(0, groups, len(subjects)), home)]
    risk = rng.beta(0.5, rng.choice([1.0, 5.0, 200.0]), people)[subjects]
    what = ("rate", "mean", "share")[seed % 3]
    values = {"rate": (rng.random(len(risk)) < risk).astype(float), "mean": np.exp(2 * risk), "share": risk}[what]
    if what == "share":
        values = np.where(home == 0, 0.0, values)
    fields = {"proportion": what == "rate", "can_be_zero": what == "share"}
    found, _ = figures(values, names, subjects, **fields, unit={"share": "share"}.get(what, "level"))
    expected = slow(values, names, subjects, **fields, share=what == "share", **TABLE)

    for group in found.groups("skin"):
        mine = expected.groups[group.attributes["skin"]]
        assert (group.value, group.low, group.high) == pytest.approx((mine.value, mine.low, mine.high), rel=1e-9)
    if expected.difference is None:
        assert all(d.descriptive for d in found.disparities)
    else:
        check(found, expected, 1e-9)


def test_gaps_agree_with_scipys_own_studentized_range() -> None:
    values, names, subjects = a_set(11, groups=3, shared=False, proportion=True)
    found, _ = figures(values, names, subjects)

    check(found, slow(values, names, subjects, proportion=True, critical=range_quantile, tail=range_tail), 1e-3)


def test_a_difference_of_signed_values_has_no_ratio() -> None:
    rng = np.random.default_rng(0)
    values, names = rng.normal(0, 1, 200), ["a", "b"] * 100
    found, skipped = figures(values, names, proportion=False, non_negative=False)
    expected = slow(values, names, range(200), proportion=False, non_negative=False, **TABLE)

    assert [d.kind for d in found.disparities] == ["difference"]
    assert found.pairs[0].ratio is None
    assert skipped == ()
    gap = found.disparities[0]
    assert (gap.value, gap.low, gap.high) == pytest.approx(expected.difference)


def test_two_equal_means_of_single_pictures_give_welchs_interval() -> None:
    from scipy import stats

    rng = np.random.default_rng(5)
    a, b = rng.normal(4, 1, 80), rng.normal(4, 1, 80)
    b = (b - b.mean()) / b.std(ddof=1) * a.std(ddof=1) + 4  # the floor does nothing where spreads are alike
    found, _ = figures([*a, *b], ["a"] * 80 + ["b"] * 80, proportion=False, non_negative=False)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)

    assert (found.pairs[0].difference_low, found.pairs[0].difference_high) == pytest.approx((welch.low, welch.high))


def test_people_in_both_groups_make_the_difference_sharper() -> None:
    rng = np.random.default_rng(7)
    risk = np.repeat(rng.beta(0.5, 0.5, 120), 10)
    values = (rng.random(1200) < risk).astype(float)
    crossed, _ = figures(values, ["a", "b"] * 600, np.repeat(range(120), 10))
    unrelated, _ = figures(
        values, ["a", "b"] * 600, [f"{s}{g}" for s, g in zip(np.repeat(range(120), 10), "ab" * 600, strict=True)]
    )

    assert crossed.disparity("skin").value == unrelated.disparity("skin").value
    assert crossed.disparity("skin").high < 0.6 * unrelated.disparity("skin").high


def test_with_few_events_shared_people_are_no_reason_to_be_surer() -> None:
    subjects = np.repeat(np.arange(100), 4)
    names = ["a", "a", "b", "b"] * 100
    values = np.zeros((100, 4))
    values[:5, :2], values[:40, 2:] = 1, 1  # five people with an error in a, forty in b: the five among them
    found, _ = figures(values.ravel(), names, subjects)
    expected = slow(values.ravel(), names, subjects, proportion=True, **TABLE)
    unrelated = [f"{s}{g}" for s, g in zip(subjects, names, strict=True)]
    apart, _ = figures(values.ravel(), names, unrelated)

    check(found, expected, 1e-9)
    assert found.disparity("skin").high == pytest.approx(apart.disparity("skin").high, rel=0.01)


def test_a_rate_and_its_complement_differ_alike() -> None:
    values, names, subjects = a_set(3, groups=3, shared=True, proportion=True)
    wrong, _ = figures(values, names, subjects)
    right, _ = figures(1 - values, names, subjects, better="higher")
    gap, mirrored = wrong.disparity("skin"), right.disparity("skin")

    assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx((gap.value, gap.low, gap.high))
    assert (mirrored.worst, mirrored.best) == (gap.worst, gap.best)


def test_zero_over_positive_is_zero_up_to_what_the_counts_allow() -> None:
    values = [0.0] * 40 + [1.0] * 20 + [0.0] * 20
    found, _ = figures(values, ["a"] * 40 + ["b"] * 40)
    ratio = found.disparity("skin", "ratio")
    (a, b) = found.groups("skin")

    assert (ratio.value, ratio.low) == (0.0, 0.0)
    assert "upper limit is what the counts leave possible" in ratio.note
    assert ratio.high == pytest.approx(
        slow(values, ["a"] * 40 + ["b"] * 40, range(80), proportion=True, **TABLE).ratio[2]
    )
    assert a.high / b.low == pytest.approx(ratio.high, rel=0.05)  # the same but for the degrees of freedom


def test_zero_over_zero_is_nothing_between_zero_and_one() -> None:
    found, _ = figures(np.zeros(90), ["a", "b", "c"] * 30)
    ratio, difference = found.disparity("skin", "ratio"), found.disparity("skin")

    assert (ratio.value, ratio.low, ratio.high) == (None, 0.0, 1.0)
    assert "every group is at 0" in ratio.note
    assert (difference.value, difference.low) == (0.0, 0.0)
    assert 0.05 < difference.high < 0.2
    assert (difference.worst, difference.best) == (None, None)


def test_all_wrong_everywhere_is_an_exact_one() -> None:
    found, _ = figures(np.ones(90), ["a", "b", "c"] * 30)

    assert found.disparity("skin", "ratio").value == 1.0
    assert found.disparity("skin", "ratio").high == 1.0
    assert found.disparity("skin").low == 0.0


def test_means_of_zero_give_no_infinite_ratio() -> None:
    values = [0.0] * 40 + list(np.random.default_rng(0).exponential(1.0, 40))
    found, _ = figures(values, ["a"] * 40 + ["b"] * 40, proportion=False)

    assert found.disparity("skin", "ratio").value == 0.0
    assert all(x is None or math.isfinite(x) for x in (found.pairs[0].ratio_low, found.pairs[0].ratio_high))
