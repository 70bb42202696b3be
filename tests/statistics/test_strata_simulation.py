"""Does the interval of a standardized difference hold what it promises? A few seeded cells of the long simulation:
where adding up the cells' own margins fails, with many groups, and with people in several strata or groups."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks._people import People, rates, shared_rates, skewed
from tests.benchmarks.sim_strata import BAR, _everywhere, _levels, _scattered, rows, standardized

RUNS = 600
LOWEST = BAR - 3.1 * np.sqrt(BAR * (1 - BAR) / RUNS)
SMALL_AND_LARGE = [30] * 9 + [300] * 9


def held(people: People, draw: object, strata: int, truth: float, *, proportion: bool = True) -> float:
    gap = standardized(people, draw, strata, proportion=proportion, runs=RUNS, seed=[7])
    return float(np.mean((gap.low <= truth + 1e-9) & (gap.high >= truth - 1e-9)))


@pytest.mark.parametrize("gap", [0.0, 0.1])
@pytest.mark.parametrize("rate", [0.02, (0.02, 0.5)], ids=["rare everywhere", "rare to frequent"])
def test_rates_in_a_small_and_a_large_group(rate: float | tuple[float, float], gap: float) -> None:
    people, means = People.apart(SMALL_AND_LARGE, 1), _levels(2, 9, rate, gap)

    assert held(people, rates(people, means, 0.0), 9, gap) >= LOWEST


def test_many_groups_with_several_pictures_of_each_person() -> None:
    people, means = People.apart([40] * 32, 5), np.full(32, 0.1)

    assert held(people, rates(people, means, 0.5), 4, 0.0) >= LOWEST


@pytest.mark.parametrize("crossed", ["strata", "groups", "both"])
def test_people_in_several_strata_or_groups(crossed: str) -> None:
    rng = np.random.default_rng(0)
    everywhere = crossed == "groups"
    people = _everywhere(2, 4, 40) if everywhere else _scattered(rng, 2, 4, 160, 6, across=crossed)

    assert held(people, shared_rates(people, np.full(8, 0.1), 0.5), 4, 0.0) >= LOWEST


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_skewed_means(gap: float) -> None:
    people, means = People.apart(SMALL_AND_LARGE, 1), _levels(2, 9, (1.0, 3.0), gap)

    assert held(people, skewed(people, means, 1.3), 9, gap, proportion=False) >= LOWEST


def test_the_long_simulation_gives_rows_for_the_table() -> None:
    found = rows(2, 0)

    assert {len({r["claim"] for r in found}), len({r["bar"] for r in found})} == {3, 1}
    assert len({(r["claim"], r["cell"]) for r in found}) == len(found)
    assert all(r["runs"] == 2 for r in found)
