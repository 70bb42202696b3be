"""The pieces of the second stage, each against a slow second implementation or a planted case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audit.result import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Estimate
from audit.settings import RunSettings
from audit.statistics.paired import mean_over
from audit.trust import BUDGET, FEWEST, MOST
from audit.trust._passes import cost, opening
from audit.trust.deletion import by_map, without
from audit.trust.randomization import DRAWS, SHARES, rank_correlation
from audit.trust.sample import draw
from audit.trust.verdict import order_state, randomization_state, together
from tests.support import slow_trust


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=20))
def test_rank_correlation_is_the_slow_one(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(column, dtype=np.float32).reshape(1, -1) for column in zip(*pairs, strict=True))

    assert rank_correlation(a, b) == pytest.approx(
        slow_trust.spearman(*zip(*pairs, strict=True)), abs=1e-12, nan_ok=True
    )


def test_a_map_that_is_the_same_everywhere_or_has_no_numbers_does_not_count() -> None:
    a = np.arange(9, dtype=np.float32).reshape(3, 3)

    assert np.isnan(rank_correlation(a, np.zeros((3, 3), np.float32)))
    assert np.isnan(rank_correlation(a, np.full((3, 3), np.nan, np.float32)))
    assert rank_correlation(a, a**3) == pytest.approx(1.0)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("size", "grid"), [((8, 8), (4, 4)), ((7, 10), (3, 4)), ((5, 5), (5, 5))])
def test_pictures_lose_the_cells_and_keep_their_mean_color(
    size: tuple[int, int], grid: tuple[int, int], layout: str
) -> None:
    rng = np.random.default_rng(0)
    picture = rng.normal(size=(3, *size)).astype(np.float32)
    cells = rng.permutation(grid[0] * grid[1])[:5]
    given_ = picture if layout == "NCHW" else np.moveaxis(picture, 0, -1)
    painted = without(given_, cells, grid, layout)
    expected = np.array(slow_trust.painted(picture.tolist(), set(cells.tolist()), grid))

    assert np.allclose(painted if layout == "NCHW" else np.moveaxis(painted, -1, 0), expected, atol=1e-5)
    assert painted.dtype == given_.dtype
    assert np.array_equal(without(given_, cells[:0], grid, layout), given_)


def test_the_largest_cells_go_first_and_chance_decides_between_equal_ones() -> None:
    cells = np.array([[0, 5, 0], [1, 0, -2], [0, 0, 0]], dtype=np.float32)
    orders = {tuple(by_map(cells, np.random.default_rng(seed))) for seed in range(20)}

    assert {order[:2] for order in orders} == {(1, 3)}
    assert {order[-1] for order in orders} == {5}
    assert len(orders) > 10


def test_the_sample_has_one_picture_a_person_and_every_group_about_as_often() -> None:
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(500), 3)
    rare = (rng.random(500) < 0.1).astype(np.int64)[subjects]
    gender = rng.integers(0, 2, 500)[subjects]
    eligible = rng.random(1500) < 0.9
    rows = draw([rare, gender, rare * 2 + gender], subjects, eligible, 32, seed=4)

    assert len(rows) == len(set(subjects[rows])) == 32
    assert eligible[rows].all()
    assert list(rows) == sorted(rows)
    assert np.bincount(rare[rows]).tolist() == [16, 16]
    assert np.bincount(gender[rows]).tolist() == [16, 16]
    assert np.array_equal(rows, draw([rare, gender, rare * 2 + gender], subjects, eligible, 32, seed=4))
    assert not np.array_equal(rows, draw([rare, gender, rare * 2 + gender], subjects, eligible, 32, seed=5))


@pytest.mark.parametrize("groupings", [[], [np.zeros(6, dtype=np.int64)]], ids=["no group", "one group"])
def test_few_people_are_all_drawn(groupings: list[np.ndarray]) -> None:
    subjects = np.array([0, 0, 1, 1, 2, 2])
    eligible = np.array([True, False, False, False, True, True])
    rows = draw(groupings, subjects, eligible, 32, seed=0)

    assert set(subjects[rows]) == {0, 2}
    assert len(draw(groupings, subjects, np.zeros(6, dtype=bool), 32, seed=0)) == 0


def test_the_mean_of_one_picture_a_person_has_students_interval() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.2, 12)
    found = mean_over(values, np.arange(12), 0.05)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))

    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert (found.n, found.subjects) == (12, 12)


def test_pictures_that_hang_together_count_by_what_they_hang_on() -> None:
    """Four draws, eight pictures each: the interval is that of the four means."""
    rng = np.random.default_rng(1)
    draws = np.arange(32) % 4
    values = rng.normal(0, 0.3, 4)[draws] + rng.normal(0, 0.05, 32)
    found = mean_over(values, draws, 0.05)
    means = np.array([values[draws == k].mean() for k in range(4)])
    low, high = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))

    assert (found.low, found.high) == pytest.approx((low, high))


def test_what_does_not_count_is_left_out_and_nothing_is_no_number() -> None:
    found = mean_over(np.array([0.5, np.nan, 0.7]), np.arange(3), 0.05)
    nothing = mean_over(np.full(3, np.nan), np.arange(3), 0.05)
    alone = mean_over(np.array([0.5]), np.arange(1), 0.05)

    assert (found.value, found.n) == (pytest.approx(0.6), 2)
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)
    assert (alone.value, alone.low) == (0.5, None)


def interval(low: float | None, high: float | None) -> Estimate:
    middle = None if low is None or high is None else (low + high) / 2
    return Estimate(value=middle, low=low, high=high, n=32, subjects=32)


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [
        (0.51, 0.9, NOT_SUPPORTED),
        (0.4, 0.6, INCONCLUSIVE),
        (-0.2, 0.49, SUPPORTED),
        (-0.9, 0.9, INCONCLUSIVE),
        (None, None, INCONCLUSIVE),
    ],
)
def test_a_map_that_stays_as_it_was_is_not_supported(low: float | None, high: float | None, state: str) -> None:
    assert randomization_state(interval(low, high)) == state


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [
        (0.001, 0.1, SUPPORTED),
        (0.001, 0.019, NOT_SUPPORTED),
        (-0.01, 0.1, INCONCLUSIVE),
        (-0.1, 0.019, NOT_SUPPORTED),
        (-0.3, -0.1, NOT_SUPPORTED),
        (0.0, 0.0, NOT_SUPPORTED),
        (None, None, INCONCLUSIVE),
    ],
)
def test_a_map_that_beats_no_random_order_is_not_supported(low: float | None, high: float | None, state: str) -> None:
    assert order_state(interval(low, high)) == state


S, N, I = SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE  # noqa: E741


@pytest.mark.parametrize(
    ("checks", "state"),
    [
        ((S, S, S), S),
        ((S, S, N), S),
        ((S, I, S), S),
        ((S, I, I), I),
        ((S, I, N), I),
        ((S, N, N), N),
        ((N, S, S), N),
        ((I, S, S), I),
        ((I, N, N), N),
        ((I, I, N), I),
    ],
)
def test_the_map_is_what_the_checks_leave_of_it(checks: tuple[str, str, str], state: str) -> None:
    assert together(*checks)[0] == state


def test_a_map_supported_by_one_of_two_tests_is_said_to_be() -> None:
    assert together(S, S, S)[1].endswith("than places drawn by chance")
    for orders, other in (((S, I), "inconclusive"), ((N, S), "not supported")):
        assert together(S, *orders)[1].endswith(f"by chance, by one of two tests; the other is {other}")


def false_alarms(runs: int, people: int, draw_errors: str) -> float:
    """How often a map whose order is no better than chance is called supported by deletion or insertion."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(runs):
        if draw_errors == "normal":
            pair = rng.normal(0, 0.15, (2, people))
        else:  # a few answers break down, most do not move: skewed, as areas of sure answers are
            pair = np.where(rng.random((2, people)) < 0.2, rng.exponential(0.4, (2, people)), 0.0)
            pair = pair - 0.2 * 0.4
        states = [order_state(mean_over(values, np.arange(people), 0.05)) for values in pair]
        found += SUPPORTED in states
    return found / runs


@pytest.mark.parametrize("errors", ["normal", "skewed"])
def test_chance_is_seldom_taken_for_support(errors: str) -> None:
    assert false_alarms(300, 32, errors) < 0.09


@pytest.mark.slow
@pytest.mark.parametrize("people", [8, 16, 32])
@pytest.mark.parametrize("errors", ["normal", "skewed"])
def test_chance_is_taken_for_support_one_time_in_twenty(errors: str, people: int) -> None:
    """Two looks at 2.5 % each; skewed areas err to the careful side."""
    assert false_alarms(4_000, people, errors) < 0.06


def test_the_budget_reaches_for_as_many_pictures_as_may_be_asked_for() -> None:
    assert RunSettings().checked == MOST
    assert cost(MOST, None) + opening(None) <= BUDGET == 600
    assert cost(MOST, None) == 17 * MOST
    assert cost(FEWEST, 64) > BUDGET
    assert len(DRAWS) == len(SHARES)
