"""Cells of mean maps that differ between groups: as a slow second implementation has it, only where something was
planted, and the same whatever things are called."""

from __future__ import annotations

import numpy as np
import pytest

from audit.statistics.estimates import Cells
from audit.statistics.maximum import DRAWS, Compared, compared
from tests.benchmarks import sim_maximum
from tests.support.slow_maximum import slow_maximum

SIDE = sim_maximum.SIDE


def found(maps: np.ndarray, group: np.ndarray, subject: np.ndarray, **options: object) -> Compared:
    groups = int(group.max()) + 1
    strata = np.asarray(options.pop("strata", np.zeros(groups, dtype=np.int64)))
    tested = np.asarray(options.pop("tested", np.ones(groups, dtype=bool)))
    return compared(Cells(group, subject, groups), maps, tested, strata, **options)  # type: ignore[arg-type]


def people(sizes: tuple[int, ...], pictures: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps, groups and subjects without an effect."""
    group = np.repeat(np.arange(len(sizes)), np.array(sizes) * pictures)
    subject = np.arange(len(group)) // pictures
    return sim_maximum.maps(np.random.default_rng(seed), subject, np.ones(len(group))), group, subject


APART = ("abababa", "1234567", {"a": "s", "b": "s"})
THREE = ("abcabca", "1234567", {"a": "s", "b": "s", "c": "s"})
UNEQUAL = ("aaabbbaabb", "1123345677", {"a": "s", "b": "s"})
SHARED = ("aabbabab", "12123344", {"a": "s", "b": "s"})
PARTLY = ("ababababb", "112233456", {"a": "s", "b": "s"})
STRATA = ("abababcdcdc", "1234567890x", {"a": "s", "b": "s", "c": "t", "d": "t"})


@pytest.mark.parametrize(
    ("groups", "subjects", "strata"),
    [APART, THREE, UNEQUAL, SHARED, PARTLY, STRATA],
    ids=["two groups", "three groups", "unlike numbers of pictures", "everybody in both", "some in both", "two strata"],
)
def test_as_the_slow_way_has_it(groups: str, subjects: str, strata: dict[str, str]) -> None:
    maps = np.random.default_rng(3).gamma(0.7, size=(len(groups), 3))
    maps /= maps.sum(axis=1, keepdims=True)
    names, code = np.unique(list(groups), return_inverse=True)
    whose = np.unique(list(subjects), return_inverse=True)[1]
    stratum = np.array([strata[n] == "t" for n in names], dtype=np.int64)
    statistic, p = slow_maximum(maps.tolist(), list(groups), list(subjects), strata)
    quick = found(maps, code, whose, strata=stratum, draws=20_000)

    for place, name in enumerate(names):
        assert quick.statistic[place] == pytest.approx(statistic[name], abs=1e-9)
        assert quick.p_cells[place] == pytest.approx(p[name], abs=3.1 * np.sqrt(0.25 / 20_000) + 1e-4)
    assert quick.p == pytest.approx(quick.p_cells.min(axis=1))


def test_means_weigh_every_picture_alike() -> None:
    maps, group, subject = people((5, 6), pictures=3)
    quick = found(maps, group, subject, draws=10)

    assert quick.mean[0] == pytest.approx(maps[group == 0].mean(axis=0))
    assert quick.rest[0] == pytest.approx(maps[group == 1].mean(axis=0))


@pytest.mark.parametrize("pictures", [1, 4])
def test_what_is_planted_is_found_where_it_is_and_for_whom(pictures: int) -> None:
    maps, group, subject = people((50, 60, 70), pictures)
    planted = np.zeros((SIDE, SIDE), dtype=bool)
    planted[0:2, 0:2] = True
    maps[group == 1] *= 0.9
    maps[np.ix_(group == 1, planted.ravel())] += 0.1 / 4
    marked = found(maps, group, subject).p_cells < 0.05

    assert marked[1][planted.ravel()].all()
    assert marked[1].reshape(SIDE, SIDE)[5:].sum() == 0  # far off, where the loss of a tenth is next to nothing
    assert found(maps, group, subject).p[1] == pytest.approx(1 / (DRAWS + 1))


def test_nothing_planted_is_rarely_found() -> None:
    runs, cells = 80, list(sim_maximum.cells())
    rates = [sim_maximum.flagged(cells[k], runs, [5, k]) / runs for k in (0, 4, 6)]

    assert max(rates) <= 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.slow
def test_nothing_planted_is_rarely_found_in_many_runs() -> None:
    rows = sim_maximum.rows(600, 3)

    for row in rows:
        bar = float(row["bar"].removeprefix("<= "))
        assert row["measured"] <= bar + 3.1 * np.sqrt(bar * (1 - bar) / 600), row["cell"]


def test_every_picture_twice_changes_nothing() -> None:
    maps, group, subject = people((30, 40), pictures=2)
    subject = np.where(subject % 7 == 0, 0, subject)  # somebody has more pictures than others, and in both groups
    twice = np.arange(len(group)).repeat(2)
    once, doubled = found(maps, group, subject), found(maps[twice], group[twice], subject[twice])

    for name in ("mean", "rest", "statistic", "p_cells"):
        np.testing.assert_allclose(getattr(doubled, name), getattr(once, name), rtol=1e-9)


def test_neither_the_order_of_the_rows_nor_names_matter() -> None:
    maps, group, subject = people((40, 40, 30), pictures=2)
    subject = subject % 90  # some are in two groups
    shuffled = np.random.default_rng(1).permutation(len(group))
    other, called = np.array([2, 0, 1]), np.random.default_rng(2).permutation(subject.max() + 1)
    first = found(maps, group, subject)
    second = found(maps[shuffled], other[group[shuffled]], called[subject[shuffled]])

    for name in ("mean", "rest", "statistic", "p_cells"):
        np.testing.assert_allclose(getattr(second, name)[other], getattr(first, name), rtol=1e-7)


def test_a_group_without_the_evidence_is_shown_and_neither_tested_nor_in_the_rest() -> None:
    maps, group, subject = people((40, 40, 5))
    whole = found(maps, group, subject, tested=[True, True, False])
    without = found(maps[group < 2], group[group < 2], subject[group < 2])

    assert np.isnan(whole.p[2])
    assert np.isnan(whole.p_cells[2]).all()
    assert whole.rest[2] == pytest.approx(maps[group < 2].mean(axis=0))
    assert whole.p_cells[:2] == pytest.approx(without.p_cells)


def test_a_single_group_has_nothing_to_be_compared_with() -> None:
    maps, group, subject = people((40,))
    alone = found(maps, group, subject)

    assert np.isnan(alone.rest).all()
    assert np.isnan(alone.p).all()


def test_maps_that_are_all_the_same_differ_nowhere() -> None:
    _, group, subject = people((30, 30))
    same = found(np.full((60, 9), 1 / 9), group, subject)

    assert (same.statistic == 0).all()
    assert (same.p == 1).all()
