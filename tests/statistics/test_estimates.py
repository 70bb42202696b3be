"""One group: hand-known values, and the slow second implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audit.statistics.estimates import Cells, Groups, wilson
from tests.support.figures import figures
from tests.support.slow_statistics import slow, t_quantile


def test_no_error_in_fifteen_people_is_not_no_errors() -> None:
    found, _ = figures(np.zeros(15), ["a"] * 15)
    (group,) = found.groups("skin")

    assert (group.value, group.low, group.n, group.subjects) == (0.0, 0.0, 15, 15)
    assert group.high == pytest.approx(0.235, abs=5e-4)


def test_fifteen_errors_in_fifteen_people_mirror_it() -> None:
    found, _ = figures(np.ones(15), ["a"] * 15)

    assert found.overall.high == 1.0
    assert found.overall.low == pytest.approx(1 - 0.235, abs=5e-4)


def test_ten_alike_pictures_of_a_person_are_one_person() -> None:
    wrong = np.zeros(40)
    wrong[:12] = 1
    once, _ = figures(wrong, ["a"] * 40, range(40))
    tenfold, _ = figures(np.repeat(wrong, 10), ["a"] * 400, np.repeat(range(40), 10))

    assert (tenfold.overall.n, tenfold.overall.subjects) == (400, 40)
    assert tenfold.overall.low == pytest.approx(once.overall.low)
    assert tenfold.overall.high == pytest.approx(once.overall.high)


def test_independent_pictures_of_a_person_count_each() -> None:
    rng = np.random.default_rng(1)
    wrong = rng.random(4000) < 0.3
    found, _ = figures(wrong, ["a"] * 4000, np.repeat(range(400), 10))
    p = wrong.mean()
    low, high = wilson(np.array(p), np.array(4000.0), np.array(1.966))

    assert found.overall.high - found.overall.low == pytest.approx(float(high - low), rel=0.1)  # type: ignore[operator]


def test_a_mean_of_single_pictures_is_students_interval() -> None:
    values = np.random.default_rng(2).normal(5, 1, 50)
    found, _ = figures(values, ["a"] * 50, proportion=False)
    margin = t_quantile(0.05, 49) * values.std(ddof=1) / math.sqrt(50)

    assert found.overall.low == pytest.approx(values.mean() - margin)
    assert found.overall.high == pytest.approx(values.mean() + margin)


def test_jackknife_variance_is_that_of_leaving_each_subject_out() -> None:
    rng = np.random.default_rng(3)
    subjects = rng.integers(0, 12, 60)
    values = rng.gamma(2.0, 1.0, 60)
    groups = Groups.of(Cells(np.zeros(60, dtype=np.int64), subjects, 1), values[:, None], np.ones((60, 1)))
    left = np.array([values[subjects != s].mean() for s in np.unique(subjects)])
    share = (len(left) - 1) / len(left)
    by_hand = share * ((left - values.mean()) ** 2).sum()

    assert groups.variance[0, 0] == pytest.approx(by_hand)


def test_few_people_with_most_of_the_pictures_count_as_few() -> None:
    subjects = np.concatenate([np.zeros(970, dtype=int), np.arange(1, 31)])
    found, _ = figures(np.zeros(1000), ["a"] * 1000, subjects)

    assert found.overall.subjects == 31
    assert found.overall.high > 0.9  # type: ignore[operator]


def behind(with_event: list[float], pictures: list[int]) -> float:
    """Effective number of people behind the events of one group."""
    cells = Cells(np.zeros(len(pictures), dtype=np.int64), np.arange(len(pictures)), 1)
    x, n = (np.array(v, dtype=float)[:, None] for v in (with_event, pictures))
    return float(Groups.of(cells, x, n).events[0, 0])


def test_people_behind_the_events_count_by_what_they_bring() -> None:
    assert behind([1] * 7 + [0] * 93, [1] * 100) == pytest.approx(7)
    assert behind([3] * 7 + [0] * 93, [3] * 100) == pytest.approx(7)
    assert behind([2] * 7 + [1] * 93, [2] * 100) == pytest.approx(93)  # fewer are behind the pictures without it
    assert behind([90, *[1] * 10, *[0] * 89], [100] * 100) < 1.3  # one person has nine in ten of them
    assert behind([0, *[1] * 20, *[0] * 79], [100, *[1] * 99]) < 0.1  # what most pictures would show is not known
    assert behind([0] * 50, [4] * 50) == 0.0
    assert behind([1] * 5 + [0] * 145, [2] * 5 + [1] * 145) == 5  # never more than there are


def test_the_fewer_people_are_behind_the_events_the_more_their_pictures_count_as_alike() -> None:
    """A quarter of each of k people's pictures is wrong: with many such people the pictures are far from all alike."""

    def against_all_alike(k: int) -> float:
        values = np.concatenate([np.tile([1.0, 0, 0, 0], (k, 1)), np.zeros((9 * k, 4))])
        found, _ = figures(values.ravel(), ["a"] * values.size, np.repeat(range(10 * k), 4))
        n, c = np.array(10.0 * k), np.array(t_quantile(0.05, 10 * k - 1))
        low, high = wilson(np.array(values.mean()), n, c)
        return float((found.overall.high - found.overall.low) / (high - low))  # type: ignore[operator]

    five, six, forty = (against_all_alike(k) for k in (5, 6, 40))

    assert five == pytest.approx(1.0)
    assert five > six + 0.15
    assert six > forty + 0.15


def test_one_person_has_a_value_and_no_interval() -> None:
    found, _ = figures([0, 1, 1, 1], ["a"] * 4, ["ann"] * 4)

    assert (found.overall.value, found.overall.low, found.overall.high) == (0.75, None, None)


def test_the_limits_of_wilson_are_the_roots_of_the_score_equation() -> None:
    p, n, c = np.array([0.0, 0.01, 0.4, 1.0]), np.array([20.0, 300.0, 7.5, 31.0]), np.array([2.1, 40.0, 2.4, 1.9])
    for x in wilson(p, n, c):
        np.testing.assert_allclose((p - x) ** 2, c**2 * x * (1 - x) / n, atol=1e-14)


def test_a_positive_rate_never_has_a_lower_limit_of_zero() -> None:
    low, high = wilson(np.array(1e-3), np.array(5.0), np.array(1e7))

    assert 0 < low < high <= 1


@pytest.mark.parametrize("proportion", [True, False], ids=["proportion", "mean"])
@pytest.mark.parametrize("seed", range(6))
def test_groups_agree_with_the_slow_implementation(proportion: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(150), rng.integers(1, 9, 150))
    groups = np.array(["a", "b", "c", None], dtype=object)[rng.choice(4, 150, p=[0.5, 0.3, 0.1, 0.1])[subjects]]
    risk = rng.beta(0.5, 2.0, 150)[subjects]
    values = (
        np.where(rng.random(len(risk)) < risk, 1.0, 0.0) if proportion else np.exp(risk + rng.normal(size=len(risk)))
    )
    values[rng.random(len(values)) < 0.1] = np.nan
    found, _ = figures(values, groups, subjects, proportion=proportion)
    expected = slow(values, groups, subjects, proportion=proportion).groups

    for group in found.groups("skin"):
        want = expected[group.attributes["skin"]]
        assert (group.n, group.subjects) == (want.n, want.subjects)
        assert (group.value, group.low, group.high) == pytest.approx((want.value, want.low, want.high), rel=1e-9)


def _no_gap(alpha: float, groups: int, df: float) -> float:
    """Groups by themselves are looked at here: the gap's quantile would take scipy seconds."""
    return 3.0


def test_groups_near_zero_do_not_widen_the_interval_of_the_group_that_is_failed() -> None:
    rng = np.random.default_rng(1)
    failed, fine = rng.beta(0.4, 1.2, 120), [rng.beta(0.02, 6.0, 120) for _ in range(4)]  # a squared error, say
    values, names = np.concatenate([failed, *fine]), np.repeat(["failed", "b", "c", "d", "e"], 120)
    found, _ = figures(values, names, proportion=False, unit="score", can_be_zero=True)
    expected = slow(values, names, range(600), proportion=False, can_be_zero=True, critical=_no_gap)
    group = next(g for g in found.by_group if g.attributes["skin"] == "failed")
    draws = rng.choice(failed, (4000, 120)).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])

    assert (group.low, group.high) == pytest.approx((expected.groups["failed"].low, expected.groups["failed"].high))
    assert group.high - group.low == pytest.approx(high - low, rel=0.15)


def test_the_floor_of_a_measure_that_is_always_above_zero_is_relative() -> None:
    rng = np.random.default_rng(1)
    large, small = rng.normal(100, 1, 40), rng.normal(1, 0.2, 40)
    values, names = np.concatenate([large, small]), np.repeat(["large", "small"], 40)
    relative, absolute = (
        figures(values, names, proportion=False, unit="level", can_be_zero=z)[0] for z in (False, True)
    )
    width = [g.high - g.low for g in (*relative.by_group, *absolute.by_group)]

    assert width[0] > 5 * width[2]  # the large one's spread is 1 % of it, the pooled one 14 %
    assert width[1] < width[3]  # in absolute terms the small one's spread is a fifth of the large one's
