"""How many people it takes: the printed numbers, the two ways round, and whether an audit finds what was promised."""

from __future__ import annotations

import numpy as np
import pytest

from audit.statistics._quantiles import simultaneous
from audit.statistics.power import Shape, smallest_gaps, subjects_to_find, subjects_to_pass
from tests.benchmarks import sim_power


def shape(*subjects: int, pictures: int = 1) -> Shape:
    person = np.repeat(np.arange(sum(subjects)), pictures)
    group = np.repeat(np.arange(len(subjects)), np.array(subjects) * pictures)
    return Shape.of(group, person, len(subjects))


@pytest.mark.parametrize(("low", "high", "subjects"), [(0.16, 0.29, 163), (0.10, 0.20, 201), (0.05, 0.10, 437)])
def test_the_known_numbers(low: float, high: float, subjects: int) -> None:
    assert np.ceil(subjects_to_find(low, high)) == subjects


@pytest.mark.parametrize(("groups", "times"), [(3, 1.29), (8, 1.91), (20, 2.45)])
def test_more_groups_take_more_people(groups: int, times: float) -> None:
    assert subjects_to_find(0.05, 0.1, groups=groups) / subjects_to_find(0.05, 0.1) == pytest.approx(times, abs=0.006)


@pytest.mark.parametrize(("groups", "pictures", "icc"), [(2, 1, 0.0), (3, 1, 0.0), (8, 10, 0.5), (20, 4, 0.3)])
def test_the_size_that_finds_a_gap_has_it_as_its_smallest(groups: int, pictures: int, icc: float) -> None:
    size = subjects_to_find(0.1, 0.2, groups=groups, each=pictures, heavy=pictures, icc=icc)
    below, above = (
        smallest_gaps(shape(*[n] * groups, pictures=pictures), 0.1, icc=icc)[0, 1]
        for n in (int(np.floor(size)), int(np.ceil(size)))
    )

    assert above <= 0.1 <= below
    assert below - above < 0.003


def test_how_likenesses_count_is_nothing_with_one_picture_a_subject() -> None:
    assert subjects_to_find(0.1, 0.2, icc=0.7) == subjects_to_find(0.1, 0.2)
    assert subjects_to_pass(0.1, 0.05, icc=0.7) == subjects_to_pass(0.1, 0.05)


def test_every_picture_twice_finds_no_smaller_gap_where_a_persons_pictures_are_all_alike() -> None:
    once, twice = (smallest_gaps(shape(50, 90, pictures=n), 0.1, icc=1.0)[0, 1] for n in (1, 2))

    assert twice == pytest.approx(once)


def test_worst_and_best_pair_of_unequal_groups() -> None:
    gaps = smallest_gaps(shape(40, 200, 1000), 0.05)

    assert gaps[0, 1] > gaps[0, 2] > gaps[1, 2]
    np.testing.assert_array_equal(gaps, gaps.T)
    assert np.isnan(np.diag(gaps)).all()


def test_people_in_both_groups_help_as_far_as_their_pictures_are_alike() -> None:
    person, group = np.tile(np.arange(200), 2), np.repeat([0, 1], 200)
    crossed, apart = Shape.of(group, person, 2), shape(200, 200)

    assert crossed.correlations(0.5)[0, 1] == pytest.approx(0.5)
    assert smallest_gaps(crossed, 0.1, icc=0.5)[0, 1] < 0.8 * smallest_gaps(apart, 0.1, icc=0.5)[0, 1]
    # Without likeness the same but for the degrees of freedom, which are the smaller group's.
    assert smallest_gaps(crossed, 0.1)[0, 1] == pytest.approx(smallest_gaps(apart, 0.1)[0, 1], rel=0.02)


def test_groups_too_small_for_any_gap_have_none() -> None:
    gaps = smallest_gaps(shape(1, 3, 500), 0.2)

    assert np.isnan(gaps[0]).all()
    assert np.isnan(smallest_gaps(shape(2, 2), 0.2)[0, 1])


def test_a_pass_takes_the_formula_where_rates_are_not_small() -> None:
    width = float(simultaneous(0.2, 8, np.asarray(np.inf))) * np.sqrt(2)
    formula = 0.2 * 0.8 * ((width + np.sqrt(2) * 1.96) / 0.05) ** 2

    assert subjects_to_pass(0.2, 0.05, groups=8) == pytest.approx(formula + 1, rel=0.005)


def test_a_pass_takes_more_where_the_interval_is_skewed() -> None:
    assert subjects_to_pass(0.02, 0.05) == pytest.approx(218, abs=2)  # the formula says 166, and 54 % pass with that


def test_an_audit_finds_and_passes_as_often_as_promised() -> None:
    """600 runs a cell: a standard error is 0.016, so three of them either side."""
    rows = sim_power.rows(600, seed=1)

    assert len(rows) == len(sim_power.FOUND) + len(sim_power.PASSED)
    for row in rows:
        assert 0.77 - 0.05 <= row["measured"] <= 0.86 + 0.05, row
