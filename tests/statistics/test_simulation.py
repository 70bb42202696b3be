"""Do the intervals hold what they promise? Short, seeded; the long tables are for the benchmarks.

Every simulated run is one measure over the same people, so hundreds of runs go through at once. A bar of 0.95 less
three standard errors of 600 runs is 0.923.
"""

from __future__ import annotations

import numpy as np
import pytest

from audit.groups import make_groupings, subject_codes
from audit.result import Measurement
from audit.summary import Options, summarise
from tests.support.figures import a_measure, a_table

RUNS = 600


def runs(values: np.ndarray, groups: list[str], subjects: np.ndarray, **fields: object) -> tuple[Measurement, ...]:
    table = a_table(list(subjects), skin=groups)
    measures = [a_measure(f"run{i}", **fields) for i in range(values.shape[1])]
    return summarise(values, measures, make_groupings(table, (("skin",),)), subject_codes(table), "gender", Options())[
        0
    ]


def people(sizes: tuple[int, ...], pictures: int) -> tuple[list[str], np.ndarray]:
    groups = [f"g{k:02}" for k, size in enumerate(sizes) for _ in range(size * pictures)]
    return groups, np.repeat(np.arange(sum(sizes)), pictures)


def wrong_labels(seed: int, subjects: np.ndarray, rate: np.ndarray, icc: float) -> np.ndarray:
    """[N, RUNS] of 0 and 1, alike within a person (beta-binomial); `rate` is each picture's."""
    rng = np.random.default_rng(seed)
    of_subject = np.unique(subjects, return_index=True)[1]
    p = rate[of_subject][:, None] * np.ones(RUNS)
    if icc:
        scale = 1 / icc - 1
        p = rng.beta(p * scale, (1 - p) * scale)
    return (rng.random((len(subjects), RUNS)) < p[subjects]).astype(float)


def covered(found: tuple[Measurement, ...], kind: str, truth: float) -> float:
    gaps = [m.disparity("skin", kind) for m in found]
    return float(np.mean([g.low - 1e-12 <= truth <= g.high + 1e-12 for g in gaps]))


@pytest.mark.parametrize(
    ("sizes", "pictures", "icc"),
    [
        pytest.param((100, 100, 100), 1, 0.0, id="three alike"),
        pytest.param((60,) * 8, 5, 0.5, id="eight with five like pictures each"),
        pytest.param((30, 300), 3, 0.3, id="small against large"),
    ],
)
def test_equal_rates_are_not_taken_for_a_gap(sizes: tuple[int, ...], pictures: int, icc: float) -> None:
    groups, subjects = people(sizes, pictures)
    found = runs(wrong_labels(1, subjects, np.full(len(subjects), 0.15), icc), groups, subjects)

    assert covered(found, "difference", 0.0) >= 0.93
    assert covered(found, "ratio", 1.0) >= 0.93


def test_skewed_means_in_unequal_groups_are_not_taken_for_a_gap() -> None:
    sizes = (30, 30, 300, 300)
    groups, subjects = people(sizes, 1)
    values = np.random.default_rng(2).lognormal(0.0, 1.0, (len(subjects), RUNS))
    found = runs(values, groups, subjects, proportion=False)

    assert covered(found, "difference", 0.0) >= 0.93


def test_planted_gap_is_found_and_its_size_is_covered() -> None:
    groups, subjects = people((150, 150, 150), 2)
    rate = np.where(np.array(groups) == "g01", 0.30, 0.10)
    found = runs(wrong_labels(3, subjects, rate, 0.3), groups, subjects)
    gaps = [m.disparity("skin") for m in found]

    assert np.mean([g.low > 0 for g in gaps]) > 0.9
    assert np.mean([g.worst == {"skin": "g01"} for g in gaps]) > 0.99
    assert covered(found, "difference", 0.20) >= 0.93
    assert covered(found, "ratio", 1 / 3) >= 0.93


@pytest.mark.parametrize(
    ("rate", "pictures", "icc"),
    [(0.02, 1, 0.0), (0.1, 10, 0.5), (0.5, 3, 0.3)],
    ids=["rare", "ten like pictures", "even odds"],
)
def test_interval_of_one_rate_covers_it(rate: float, pictures: int, icc: float) -> None:
    groups, subjects = people((100,), pictures)
    found = runs(wrong_labels(4, subjects, np.full(len(subjects), rate), icc), groups, subjects)

    assert np.mean([m.overall.low <= rate <= m.overall.high for m in found]) >= 0.923


@pytest.mark.parametrize(("subjects", "rate"), [(500, 0.02), (100, 0.1), (500, 0.1)])
def test_a_few_people_with_most_of_the_pictures_do_not_make_it_too_narrow(subjects: int, rate: float) -> None:
    """As in LFW: one in twenty has 100 pictures, the others one to three. Alike pictures (ICC 0.3)."""
    pictures = np.where(np.arange(subjects) % 20 == 0, 100, 1 + np.arange(subjects) % 3)
    person = np.repeat(np.arange(subjects), pictures)
    values = wrong_labels(7, person, np.full(len(person), rate), 0.3)
    found = runs(values, ["g"] * len(person), person)

    assert np.mean([m.overall.low <= rate <= m.overall.high for m in found]) >= 0.908  # 0.935 less 3.1 standard errors


def test_people_in_every_group_do_not_make_it_too_narrow() -> None:
    _, subjects = people((100,), 6)
    groups = ["a", "b", "c"] * 200
    found = runs(wrong_labels(5, subjects, np.full(600, 0.2), 0.5), groups, subjects)

    assert covered(found, "difference", 0.0) >= 0.93
