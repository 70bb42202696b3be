"""The bias planted in the demo's network is found at the size that the power table names; groups that mean nothing
are hardly ever flagged. The benchmark `sim_drawn_faces` does it over more people and more audits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import sim_drawn_faces as bias
from tests.benchmarks.sim_drawn_faces import flagged, found, named_size
from tests.support.drawn_pool import Pool


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool.drawn(60, seed=41)


@pytest.mark.parametrize("planted", ["light and dark skin", "women and men"])
def test_planted_bias_is_found_with_the_promised_power_at_the_named_size(pool: Pool, planted: str) -> None:
    groups = sorted(bias.planted(pool)[planted], key=pool.rate)
    size = named_size(pool, groups)

    assert pool.rate(groups[1]) > pool.rate(groups[0]) + 0.05
    assert 0.7 <= found(pool, groups, size, runs=300, seed=0) <= 0.9
    assert found(pool, groups, size // 3, runs=300, seed=0) < 0.5


def test_women_alone_of_one_skin_tone_are_not_told_apart(pool: Pool) -> None:
    light = pool.of("female", "light")
    halves = [np.sort(light), np.sort(light)]

    assert found(pool, halves, 100, runs=300, seed=1) <= 0.09


def test_groups_that_mean_nothing_are_hardly_ever_flagged(pool: Pool) -> None:
    assert sum(flagged(pool, [3, k]) for k in range(60)) <= 8  # 5 in 100 at most: more than 8 of 60 are not chance
