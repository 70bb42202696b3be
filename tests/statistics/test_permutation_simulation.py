"""The long simulations of the 15-image mode; short ones stand in test_permutation.py. `pytest -m slow` runs these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from audit.statistics import _arrangements
from audit.statistics.estimates import Cells
from audit.statistics.permutation import permuted
from reports import _few_images
from tests.benchmarks.bench_few_images import share

pytestmark = pytest.mark.slow

RUNS = 6_000
TOGETHER = 50  # runs that share their 2,000 arrangements


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 draws in place of all arrangements: as valid, and quicker."""
    monkeypatch.setattr(_arrangements, "EXACT", _arrangements.DRAWS)


def flagged(values: np.ndarray, groups: Sequence[int] | np.ndarray, subjects: np.ndarray | None = None) -> float:
    code = np.asarray(groups)
    cells = Cells(code, np.arange(len(code)) if subjects is None else subjects, int(code.max()) + 1)
    everybody = np.ones(int(code.max()) + 1, dtype=bool)
    found = []
    for start in range(0, values.shape[1], TOGETHER):
        some = values[:, start : start + TOGETHER].clip(0.01)
        found += permuted(cells, some, np.ones_like(some), everybody, seed=start)
    return float(np.mean([f is not None and f.p_value is not None and f.p_value < 0.05 for f in found]))


def noise(level: float, runs: int = RUNS, errors: float = 3.0) -> float:
    return errors * float(np.sqrt(level * (1 - level) / runs))


@pytest.mark.parametrize("cv", [0.1, 0.2, 0.3])
@pytest.mark.parametrize(("groups", "of"), [(3, 5), (5, 3)])
def test_fifteen_images_that_are_alike(groups: int, of: int, cv: float) -> None:
    values = np.random.default_rng(1).normal(1, cv, (15, RUNS))
    level = flagged(values, np.repeat(np.arange(groups), of))

    assert level == pytest.approx(0.05, abs=noise(0.05))


@pytest.mark.parametrize(("lower", "seen"), [(0.2, 0.33), (0.3, 0.72)])
def test_fifteen_images_of_which_five_are_lower(lower: float, seen: float) -> None:
    values = np.random.default_rng(2).normal(1, 0.2, (15, RUNS))
    values[:5] *= 1 - lower

    assert flagged(values, np.repeat(np.arange(3), 5)) == pytest.approx(seen, abs=0.03)


def test_equal_groups_of_unequal_spread_are_flagged_too_often_and_how_often_is_known() -> None:
    """What p tests is that the groups are alike, spread included: one in ten where one spreads three times as far."""
    cv = np.repeat([0.1, 0.1, 0.3], 5)[:, None]
    values = 1 + cv * np.random.default_rng(3).standard_normal((15, RUNS))

    assert flagged(values, np.repeat(np.arange(3), 5)) == pytest.approx(0.1, abs=0.025)


@pytest.mark.parametrize("spreads", [(0.3, 0.1), (0.1, 0.3)], ids=["small one wide", "large one wide"])
def test_spread_of_unequal_groups_is_not_taken_for_a_difference(
    spreads: tuple[float, float],
) -> None:
    code = np.repeat([0, 1], [10, 100])
    values = 1 + np.array(spreads)[code][:, None] * np.random.default_rng(4).standard_normal((110, 2_000))

    assert flagged(values, code) <= 0.075


@pytest.mark.parametrize("pictures", [1, 3])
@pytest.mark.parametrize("subjects", [5, 10, 20])
@pytest.mark.parametrize("groups", [2, 3, 5])
def test_cells_exchanged_within_subjects(groups: int, subjects: int, pictures: int) -> None:
    """Whole cells go round within a subject, also among more than two groups; one session each, so pictures of a cell
    are alike."""
    rng = np.random.default_rng(5)
    subject = np.repeat(np.arange(subjects), groups * pictures)
    code = np.tile(np.repeat(np.arange(groups), pictures), subjects)
    cell = subject * groups + code
    runs = 2_000
    values = (
        1 + 0.2 * rng.standard_normal((subjects, runs))[subject]
        + 0.15 * rng.standard_normal((subjects * groups, runs))[cell]
        + 0.05 * rng.standard_normal((len(cell), runs))
    )  # fmt: skip

    if 2 ** (subjects - 1) < 20 and groups == 2:
        assert flagged(values, code, subject) == 0.0
    else:
        assert flagged(values, code, subject) == pytest.approx(0.05, abs=noise(0.05, runs, 3.5))


def test_cells_of_unequal_numbers_of_pictures_exchanged_within_subjects() -> None:
    rng = np.random.default_rng(6)
    runs, subjects, groups = 2_000, 10, 3
    many = rng.integers(1, 5, subjects * groups)
    cell = np.repeat(np.arange(subjects * groups), many)
    values = (
        1 + 0.2 * rng.standard_normal((subjects, runs))[cell // groups]
        + 0.1 * rng.standard_normal((subjects * groups, runs))[cell]
        + 0.1 * rng.standard_normal((len(cell), runs))
    )  # fmt: skip

    assert flagged(values, cell % groups, cell // groups) == pytest.approx(0.05, abs=noise(0.05, runs, 3.5))


def test_a_lower_group_within_subjects_is_seen_though_subjects_differ_widely() -> None:
    rng = np.random.default_rng(7)
    runs, subjects = 1_000, 10
    subject, code = np.repeat(np.arange(subjects), 3), np.tile([0, 1, 2], subjects)
    values = (1 + 0.3 * rng.standard_normal((subjects, runs)))[subject].clip(0.3)
    values *= (1 + 0.05 * rng.standard_normal(values.shape)) * np.where(code == 0, 0.9, 1.0)[:, None]

    assert flagged(values, code, subject) > 0.9
    assert flagged(values, code) < 0.1  # the same values as if they were other people's: 10 % lower is lost


@pytest.mark.parametrize("design", [(2, 10), (3, 5), (5, 3), (5, 20)])
@pytest.mark.parametrize("cv", [0.1, 0.3])
def test_the_reports_table_is_what_the_simulation_gives(design: tuple[int, int], cv: float) -> None:
    row = _few_images._FLAGGED[design][cv]
    for lower, expected in zip(_few_images.LOWER, row, strict=True):
        # Not the table's own draws: these are seeded by the exact shift.
        seen = share(*design, cv, lower / 100 + 1e-9, 1_000)

        assert seen == pytest.approx(expected / 100, abs=0.055)
