"""Two columns that hang together are told from two that do not, counting people."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from audit.statistics.association import MOST_CELLS, contingency
from tests.support.slow_association import slow_association


def codes(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_formula_of_the_page(seed: int) -> None:
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(40), rng.integers(1, 6, 40))
    first = codes(rng.integers(0, 3, 40)[subjects])
    second = codes(np.where(rng.random(len(subjects)) < 0.3, first, rng.integers(0, 4, len(subjects))))
    found = contingency(first, second, subjects)
    v, p = slow_association(first.tolist(), second.tolist(), subjects.tolist())

    assert found.v == pytest.approx(v, abs=1e-9)
    assert found.p_value == pytest.approx(p, rel=1e-7)


def test_with_one_picture_each_it_is_close_to_the_chi_square_test() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 3, 3000), rng.integers(0, 4, 3000)
    table = np.histogram2d(first, second, (3, 4))[0]
    found = contingency(first, second, np.arange(3000))

    assert found.p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue, abs=0.02)


def test_every_picture_twice_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.arange(60), 2)
    first, second = rng.integers(0, 2, 120), rng.integers(0, 3, 120)
    once = contingency(first, second, subjects)
    twice = contingency(np.tile(first, 2), np.tile(second, 2), np.tile(subjects, 2))

    assert (twice.v, twice.p_value) == (pytest.approx(once.v), pytest.approx(once.p_value))


def test_the_order_of_rows_and_the_names_of_values_change_nothing() -> None:
    rng = np.random.default_rng(2)
    subjects, first, second = np.arange(200) // 2, rng.integers(0, 2, 200), rng.integers(0, 3, 200)
    order = rng.permutation(200)
    plain = contingency(first, second, subjects)
    other = contingency(1 - first[order], 2 - second[order], subjects[order])

    assert (other.v, other.p_value) == (pytest.approx(plain.v), pytest.approx(plain.p_value))


def test_v_is_one_where_each_follows_from_the_other_and_zero_where_nothing_does() -> None:
    first = np.repeat([0, 1, 2], 50)

    assert contingency(first, 2 - first, np.arange(150)).v == pytest.approx(1, abs=0.01)
    assert contingency(np.tile([0, 1], 75), first, np.arange(150)).v == 0


@pytest.mark.parametrize("kind", ["subjects", "pictures", "within"])
def test_false_alarms(kind: str) -> None:
    """400 runs at 5 %: a standard error is 0.011."""
    rng, flagged = np.random.default_rng(3), 0
    for _ in range(400):
        subjects = np.repeat(np.arange(120), rng.integers(1, 9, 120))
        first, second = rng.integers(0, 2, 120)[subjects], rng.integers(0, 4, 120)[subjects]
        if kind != "subjects":
            second = rng.integers(0, 4, len(subjects))
        if kind == "within":
            first = rng.integers(0, 2, len(subjects))
        flagged += (contingency(first, second, subjects).p_value or 1.0) < 0.05

    assert flagged / 400 <= 0.05 + 3 * 0.011


def test_counting_pictures_instead_of_people_would_see_ghosts() -> None:
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(200):
        subjects = np.repeat(np.arange(60), 8)
        first, second = rng.integers(0, 2, 60)[subjects], rng.integers(0, 2, 60)[subjects]
        wrong += (contingency(first, second, np.arange(480)).p_value or 1.0) < 0.05

    assert wrong / 200 > 0.4


def test_a_planted_association_is_found_and_where_it_is_strongest() -> None:
    rng = np.random.default_rng(5)
    first = rng.integers(0, 2, 400)
    second = np.where((first == 1) & (rng.random(400) < 0.4), 2, rng.integers(0, 3, 400))
    found = contingency(first, second, np.arange(400))

    assert found.p_value is not None
    assert found.p_value < 1e-4
    assert np.unravel_index(found.residuals.argmax(), found.residuals.shape) == (1, 2)


def test_one_value_only_has_no_association() -> None:
    found = contingency(np.zeros(10, dtype=np.int64), np.arange(10) % 2, np.arange(10))

    assert (found.v, found.p_value) == (None, None)


def test_nobody_and_one_person_have_none() -> None:
    nobody = np.zeros(0, dtype=np.int64)

    assert contingency(nobody, nobody, nobody).v is None
    assert contingency(np.array([0, 1]), np.array([0, 1]), np.zeros(2, dtype=np.int64)).p_value is None


def test_too_many_cells_are_refused() -> None:
    many = np.arange(MOST_CELLS + 1)
    with pytest.raises(ValueError, match="at most"):
        contingency(many, many * 0, many)
