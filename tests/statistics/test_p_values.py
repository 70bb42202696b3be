"""One p for each measure and attribute: by inversion of the interval, so that the two never contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from audit.statistics.couples import Couples, Overlap
from audit.statistics.disparity import Pairs
from audit.statistics.estimates import Cells, Groups, Means, Rates
from tests.support.figures import figures

ALPHAS = (1e-6, 0.01, 0.05, 0.2, 0.7)


def a_sample(seed: int, groups: int, *, proportion: bool, shared: bool, measures: int = 60):  # type: ignore[no-untyped-def]
    """A sample of measures with gaps from none to large, and its overlap."""
    rng = np.random.default_rng(seed)
    people = 40 * groups
    subjects = np.repeat(np.arange(people), rng.integers(1, 6, people))
    home = rng.integers(0, groups, people)[subjects]
    codes = np.where(rng.random(len(subjects)) < 0.5 * shared, rng.integers(0, groups, len(subjects)), home)
    gap = rng.exponential(0.1, measures)
    risk = np.clip(rng.beta(0.5, 4.0, (people, measures))[subjects] + np.outer(codes == 0, gap), 0, 1)
    values = (rng.random(risk.shape) < risk).astype(float) if proportion else np.exp(3 * risk)
    cells = Cells(codes.astype(np.int64), subjects, groups)
    of = Groups.of(cells, values, np.ones_like(values))
    evidence = np.ones(of.mean.shape, dtype=np.bool_)
    sample = Rates.of(of, evidence) if proportion else Means.of(of, evidence, np.ones(measures, dtype=np.bool_))
    return sample, Couples(cells).overlap(of, proportion=proportion)


CASES = [
    pytest.param(groups, proportion, shared, id=f"{groups} groups, {what}, {who}")
    for groups in (2, 3, 9, 40)
    for proportion, what in ((True, "proportions"), (False, "means"))
    for shared, who in ((False, "apart"), (True, "sharing people"))
]


@pytest.mark.parametrize(("groups", "proportion", "shared"), CASES)
def test_p_is_below_alpha_just_where_the_interval_lies_above_zero(groups: int, proportion: bool, shared: bool) -> None:
    agreed = 0
    for seed in range(3 if groups < 40 else 1):
        sample, overlap = a_sample(seed, groups, proportion=proportion, shared=shared)
        for alpha in ALPHAS:
            pairs = Pairs(sample, overlap, alpha)
            of_pairs, clear = pairs.differences(), pairs.difference().low > 0
            apart = (of_pairs.low > 0) | (of_pairs.high < 0)

            np.testing.assert_array_equal(pairs.p_value() < alpha, clear)
            np.testing.assert_array_equal(pairs.p_values() < alpha, apart)
            agreed += int(clear.any() and not clear.all())
    assert agreed > 0  # so that both answers occurred


@pytest.mark.parametrize("groups", [2, 5, 30])
def test_smallest_p_of_the_pairs_is_the_p_of_them_all(groups: int) -> None:
    sample, overlap = a_sample(4, groups, proportion=True, shared=True)
    pairs = Pairs(sample, overlap, 0.05)

    np.testing.assert_allclose(pairs.p_value(), pairs.p_values().min(axis=0), rtol=1e-9)


def test_two_groups_that_move_as_one_have_no_p_that_contradicts_their_interval() -> None:
    """With a correlation of 1 an interval can reach 0 and, further out, leave it again."""
    rng = np.random.default_rng(0)
    value = np.sort(rng.beta(2, 2, (2, 4000)), axis=0)
    value[0] = np.maximum(value[0], value[1] - rng.exponential(0.02, 4000))
    size = np.exp(rng.uniform(2, 7, (2, 4000)))
    sample = Rates(value=value, kish=size, size=size)
    overlap = Overlap(correlation=np.ones((2, 2, 4000)), shared=np.ones((2, 2, 4000), dtype=np.bool_))
    p = []
    for alpha in (1e-9, 1e-4, 0.01, 0.05, 0.3):
        pairs = Pairs(sample, overlap, alpha)
        found = pairs.differences()
        p.append(pairs.p_values()[0])

        np.testing.assert_array_equal(pairs.p_values() < alpha, found.high < 0)
    assert (np.max(p, axis=0) > 2 * np.min(p, axis=0)).any()  # the case occurred: several p for one pair


def test_equal_groups_have_p_one() -> None:
    rates, _ = figures([1.0, 0.0, 0.0, 0.0] * 30, ["a", "b"] * 60, [k // 4 for k in range(120)], min_subjects=2)
    same, _ = figures([1.0, 0.0] * 60, ["a", "a", "b", "b"] * 30)
    none, _ = figures([0.0] * 120, ["a", "b"] * 60)

    assert rates.disparity("skin").p_value < 1.0
    assert [d.p_value for m in (same, none) for d in m.disparities] == [1.0] * 8


def test_hopelessly_different_groups_have_the_smallest_p() -> None:
    found, _ = figures([0.0] * 400 + [1.0] * 400, ["a"] * 400 + ["b"] * 400)

    assert found.disparity("skin").p_value == pytest.approx(1e-12)
    assert found.pairs[0].p_value == pytest.approx(1e-12)


def test_a_gap_that_is_only_described_has_no_p() -> None:
    found, _ = figures([0.0, 1.0] * 20, ["a"] * 20 + ["b"] * 20)

    assert {(d.kind, d.low, d.p_value, d.p_method) for d in found.disparities} == {
        (kind, None, None, None) for kind in ("difference", "ratio", "max_geomean", "gini")
    }


def test_doubling_every_picture_and_renaming_groups_leave_p_alone() -> None:
    rng = np.random.default_rng(3)
    subjects = np.repeat(np.arange(150), rng.integers(1, 5, 150))
    names = np.array(["a", "b", "c"])[rng.integers(0, 3, 150)[subjects]]
    values = (rng.random(len(subjects)) < 0.2 + 0.2 * (names == "c")).astype(float)
    order = rng.permutation(len(values))
    once, _ = figures(values, names, subjects)
    twice, _ = figures(np.tile(values, 2), np.tile(names, 2), np.tile(subjects, 2))
    renamed, _ = figures(values[order], [{"a": "z", "b": "y", "c": "x"}[n] for n in names[order]], subjects[order])

    for other in (twice, renamed):
        for kind in ("difference", "ratio", "max_geomean", "gini"):
            mine, theirs = once.disparity("skin", kind), other.disparity("skin", kind)
            assert (theirs.value, theirs.low, theirs.high, theirs.p_value) == pytest.approx(
                (mine.value, mine.low, mine.high, mine.p_value), rel=1e-9
            )
