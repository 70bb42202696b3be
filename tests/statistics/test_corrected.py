"""Rates corrected for a judge: against a slow bisection, what must change nothing, and what must be said."""

from __future__ import annotations

import numpy as np
import pytest

from audit.statistics._quantiles import simultaneous
from audit.statistics.corrected import Correction
from audit.statistics.disparity import Gap, Pairs
from tests.support.judged import Looked, corrected, two_labels
from tests.support.slow_corrected import slow_corrected
from tests.support.slow_statistics import range_quantile

ALPHA = 0.05


def table_quantile(alpha: float, groups: int, df: float) -> float:
    return float(simultaneous(alpha, groups, np.array([df]))[0])


def gap(found: Correction) -> Gap:
    return Pairs(found.sample, found.overlap, ALPHA).difference()


def figures(found: Correction) -> np.ndarray:
    seen = gap(found)
    rows = [found.sample.value, found.low, found.high, seen.value[None], seen.low[None], seen.high[None]]
    return np.concatenate(rows)


def a_set(seed: int, groups: int = 4) -> tuple[Looked, Looked, Looked]:
    """Groups of different sizes, and pictures that don't count."""
    rng = np.random.default_rng(seed)
    made = two_labels(
        rng,
        people=rng.integers(25, 90, groups).tolist(),
        judge=rng.choice([0.02, 0.1, 0.25], groups).tolist(),
        generator=rng.choice([0.0, 0.05, 0.3], groups).tolist(),
    )
    for part in made[:2]:
        part.values[rng.random(part.values.shape) < 0.1] = np.nan
    return made


@pytest.mark.parametrize("groups", [2, 4, 6])
def test_limits_and_gaps_are_those_of_the_slow_bisection(groups: int) -> None:
    for seed in range(6):
        looked = a_set(seed, groups)
        found = corrected(looked, groups)
        expected = slow_corrected(*(part.rows() for part in looked), critical=table_quantile)

        assert found.sample.value[:, 0].tolist() == pytest.approx([expected.value[str(g)] for g in range(groups)])
        assert found.low[:, 0].tolist() == pytest.approx([expected.limits[str(g)][0] for g in range(groups)], abs=1e-9)
        assert found.high[:, 0].tolist() == pytest.approx([expected.limits[str(g)][1] for g in range(groups)], abs=1e-9)
        seen = gap(found)
        assert (seen.value[0], seen.low[0], seen.high[0]) == pytest.approx(expected.difference, abs=1e-9)


def test_the_gap_agrees_with_scipys_own_studentized_range() -> None:
    looked = a_set(3)
    seen = gap(corrected(looked, 4))
    expected = slow_corrected(*(part.rows() for part in looked), critical=range_quantile)

    assert (seen.low[0], seen.high[0]) == pytest.approx(expected.difference[1:], abs=2e-4)


def test_doubling_every_picture_changes_nothing() -> None:
    looked = a_set(1)
    doubled = [part.take(np.tile(np.arange(len(part.groups)), 2)) for part in looked]

    np.testing.assert_allclose(figures(corrected(doubled, 4)), figures(corrected(looked, 4)), rtol=1e-9, atol=1e-12)


def test_the_order_of_pictures_and_the_numbers_of_people_change_nothing() -> None:
    looked, rng = a_set(2), np.random.default_rng(0)
    number = rng.permutation(500)
    shuffled = [part.take(rng.permutation(len(part.groups))) for part in looked]
    renamed = [Looked(part.values, part.groups, number[part.subjects]) for part in shuffled]

    np.testing.assert_allclose(figures(corrected(renamed, 4)), figures(corrected(looked, 4)), rtol=1e-9, atol=1e-12)


def test_the_order_of_the_groups_changes_no_gap() -> None:
    looked = a_set(4)
    place = np.array([2, 0, 3, 1])
    moved = corrected([Looked(p.values, place[p.groups], p.subjects) for p in looked], 4)
    before = corrected(looked, 4)

    np.testing.assert_allclose(moved.low[place], before.low)
    assert (gap(moved).low[0], gap(moved).high[0]) == pytest.approx((gap(before).low[0], gap(before).high[0]))


def test_many_measures_at_once_are_each_by_itself() -> None:
    rng = np.random.default_rng(5)
    looked = two_labels(rng, people=(40, 60), judge=(0.1, 0.3), generator=(0.05, 0.2), runs=7)
    together = figures(corrected(looked, 2))

    for k in range(7):
        alone = corrected([Looked(p.values[:, [k]], p.groups, p.subjects) for p in looked], 2)
        np.testing.assert_allclose(figures(alone)[:, 0], together[:, k])


def exact(o: float, a: float, b: float, people: int = 100) -> Correction:
    """One group, everybody in one picture of each kind; o and a as far from one another as they can be."""
    subjects = np.arange(people)

    def looked(rate: float, first: int, *, from_end: bool = False) -> Looked:
        values = (np.arange(people) < round(rate * people)).astype(float)
        return Looked(
            (values[::-1] if from_end else values)[:, None], np.zeros(people, dtype=np.int64), subjects + first
        )

    return corrected([looked(o, 0), looked(a, 0, from_end=True), looked(b, 1000)], 1)


def test_a_judge_without_errors_leaves_the_rate_as_it_is() -> None:
    found = exact(0.3, 0.0, 0.0)

    assert found.sample.value[0, 0] == pytest.approx(0.3)
    assert found.low[0, 0] < 0.3 < found.high[0, 0]


def test_the_correction_is_rogan_and_gladens() -> None:
    assert exact(0.3, 0.1, 0.2).sample.value[0, 0] == pytest.approx(0.2 / 0.7)


def test_a_negative_estimate_is_shown_as_zero_and_noted() -> None:
    found = exact(0.05, 0.1, 0.1)

    assert found.negative[0, 0]
    assert (found.sample.value[0, 0], found.low[0, 0]) == (0.0, 0.0)
    assert found.high[0, 0] > 0


def test_where_no_rate_is_possible_both_ends_are_the_nearest_one() -> None:
    lowest, highest = exact(0.0, 0.4, 0.05, people=400), exact(1.0, 0.02, 0.4, people=400)

    assert (lowest.sample.value[0, 0], lowest.low[0, 0], lowest.high[0, 0]) == (0.0, 0.0, 0.0)
    assert (highest.sample.value[0, 0], highest.low[0, 0], highest.high[0, 0]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("a", [0.5, 0.48, 0.9], ids=["at chance", "not shown to be better", "worse"])
def test_a_judge_at_chance_supports_nothing(a: float) -> None:
    found = exact(0.5, a, 0.5)

    assert not found.supported[0, 0]
    assert not found.evidence[0, 0]
    assert (found.low[0, 0], found.high[0, 0]) == (0.0, 1.0)


def test_few_people_in_any_of_the_three_are_no_evidence() -> None:
    looked = two_labels(np.random.default_rng(0), people=(40, 20), judge=(0.1, 0.1), generator=(0.1, 0.1))
    found = corrected(looked, 2, min_subjects=30)

    assert found.evidence[:, 0].tolist() == [False, False]  # group 0 borrows its b from the people of group 1
    assert np.isfinite(found.low).all()


def test_people_who_are_in_both_kinds_make_it_sharper() -> None:
    looked = two_labels(np.random.default_rng(1), people=(150, 150), judge=(0.3, 0.3), generator=(0.05, 0.05), icc=0.8)
    generated, untouched, other = looked
    strangers = Looked(generated.values, generated.groups, generated.subjects + 10_000)
    one, apart = corrected(looked, 2), corrected([strangers, untouched, other], 2)

    assert (one.sample.correlation[:, 0] > 0.2).all()
    assert (one.high - one.low < 0.95 * (apart.high - apart.low)).all()


def test_labels_that_share_their_untouched_pictures_hang_together() -> None:
    looked = two_labels(np.random.default_rng(2), people=(200, 200), judge=(0.3, 0.3), generator=(0.4, 0.4), icc=0.0)
    found = corrected(looked, 2)

    assert found.overlap.shared[0, 1, 0]
    assert found.overlap.correlation[0, 1, 0] < -0.05  # what makes a larger for one makes b larger for the other


def test_a_gap_that_is_the_judges_own_is_not_taken_for_the_generators() -> None:
    looked = two_labels(
        np.random.default_rng(3),
        people=(100,) * 4, judge=(0.02, 0.1, 0.1, 0.35), generator=(0.1,) * 4, runs=300,
    )  # fmt: skip
    found = corrected(looked, 4)
    raw = found.sample.generated.value

    assert (raw.max(axis=0) - raw.min(axis=0)).mean() > 0.15
    assert np.mean(gap(found).low > 0) <= 0.08


def test_a_planted_gap_is_found_through_a_bad_judge() -> None:
    looked = two_labels(
        np.random.default_rng(4),
        people=(200,) * 4, judge=(0.3, 0.1, 0.1, 0.1), generator=(0.05, 0.05, 0.05, 0.4), runs=300,
    )  # fmt: skip
    found = gap(corrected(looked, 4))

    assert np.mean(found.low > 0) > 0.9
    assert np.mean((found.low <= 0.35) & (found.high >= 0.35)) >= 0.92


@pytest.mark.parametrize(("a", "b"), [(0.02, 0.02), (0.195, 0.05), (0.3, 0.3)])
@pytest.mark.parametrize("t", [0.01, 0.2])
def test_the_interval_covers_the_rate(a: float, b: float, t: float) -> None:
    looked = two_labels(np.random.default_rng(6), people=(60, 60), judge=(a, b), generator=(t, 0.1), runs=600)
    found = corrected(looked, 2)

    assert np.mean((found.low[0] <= t) & (t <= found.high[0])) >= 0.923


def test_pairs_of_corrected_rates_have_a_ratio_too() -> None:
    found = corrected(a_set(8), 4)
    ratio = Pairs(found.sample, found.overlap, ALPHA).ratio()

    assert 0 <= ratio.low[0] <= ratio.value[0] <= ratio.high[0] <= 1
