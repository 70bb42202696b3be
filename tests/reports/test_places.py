"""Where a map lies elsewhere: names of parts of the picture, and shares that are those of the whole part."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from audit.result import DifferenceMap
from reports._places import places
from tests.support import results

# Rows and columns of a map of 7 x 7 cells, written out by hand.
UPPER, MIDDLE, LOWER = (0, 1), (2, 3, 4), (5, 6)
CELLS = {
    "the upper left": (UPPER, UPPER),
    "the upper middle": (UPPER, MIDDLE),
    "the upper right": (UPPER, LOWER),
    "the middle left": (MIDDLE, UPPER),
    "the center": (MIDDLE, MIDDLE),
    "the middle right": (MIDDLE, LOWER),
    "the lower left": (LOWER, UPPER),
    "the lower middle": (LOWER, MIDDLE),
    "the lower right": (LOWER, LOWER),
    "the upper part": (UPPER, range(7)),
    "the band across the middle": (MIDDLE, range(7)),
    "the lower part": (LOWER, range(7)),
    "the left side": (range(7), UPPER),
    "the strip down the middle": (range(7), MIDDLE),
    "the right side": (range(7), LOWER),
}


def a_map(mean: np.ndarray, rest: np.ndarray) -> DifferenceMap:
    return dataclasses.replace(results.faces().difference_maps[0], mean=mean, rest=rest)


def planted(*at: tuple[int, int], side: int = 7) -> DifferenceMap:
    """More at these cells, less by as much everywhere else."""
    rest = np.full((side, side), 1 / side**2)
    mean = rest.copy()
    for cell in at:
        mean[cell] += 0.01
    return a_map(mean / mean.sum(), rest)


def at_the_cells(*at: tuple[int, int], side: int = 7) -> np.ndarray:
    marked = np.zeros((side, side), dtype=bool)
    for cell in at:
        marked[cell] = True
    return marked


@pytest.mark.parametrize(
    ("at", "name"),
    [
        ([(0, 0), (1, 1)], "the upper left"),
        ([(0, 3)], "the upper middle"),
        ([(3, 6)], "the middle right"),
        ([(3, 3), (2, 4)], "the center"),
        ([(5, 0), (6, 3), (5, 6)], "the lower part"),
        ([(0, 0), (3, 1), (6, 0)], "the left side"),
        ([(3, 0), (3, 3), (3, 6)], "the band across the middle"),
        ([(0, 3), (3, 3), (6, 3)], "the strip down the middle"),
    ],
)
def test_the_part_that_differs_is_named(at: list[tuple[int, int]], name: str) -> None:
    gained, lost = places(planted(*at), at_the_cells(*at))

    assert (gained and gained.name, lost) == (name, None)


def by_hand(values: np.ndarray, name: str) -> float:
    rows, columns = CELLS[name]
    return sum(float(values[row, column]) for row in rows for column in columns)


@pytest.mark.parametrize("seed", range(20))
def test_a_share_is_that_of_the_whole_part_whatever_cells_are_marked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, rest = rng.dirichlet(np.ones(49), size=2).reshape(2, 7, 7)
    marked = rng.random((7, 7)) < 0.2
    named = [part for part in places(a_map(mean, rest), marked) if part is not None]

    assert named
    for part in named:
        assert part.mean == pytest.approx(by_hand(mean, part.name))
        assert part.rest == pytest.approx(by_hand(rest, part.name))


def test_two_cells_of_a_band_do_not_stand_for_the_band() -> None:
    """Only two cells at the left edge of the band are marked: what is said of the band is said of all 21 cells."""
    rest = np.full((7, 7), 0.3 / 28)
    rest[2:5] = 0.7 / 21
    mean = np.full((7, 7), 0.2 / 28)
    mean[2:5] = 0.8 / 21
    gained, lost = places(a_map(mean, rest), at_the_cells((3, 0), (4, 0)))

    assert gained is not None
    assert (gained.name, lost) == ("the band across the middle", None)
    assert (gained.mean, gained.rest) == (pytest.approx(0.8), pytest.approx(0.7))


def test_more_and_less_are_told_of_parts_that_do_not_overlap() -> None:
    mean = np.full((7, 7), 1 / 49)
    mean[:2] += 0.02
    mean[5:] -= 0.02
    gained, lost = places(a_map(mean, np.full((7, 7), 1 / 49)), np.ones((7, 7), dtype=bool))

    assert (gained and gained.name, lost and lost.name) == ("the upper part", "the lower part")


def test_a_part_without_a_marked_cell_that_differs_its_way_is_not_named() -> None:
    found = planted((0, 0))

    assert places(found, np.zeros((7, 7), dtype=bool)) == (None, None)
    assert places(found, at_the_cells((0, 1))) == (None, None), "this cell loses, all that it lies in gains"


@pytest.mark.parametrize("side", [2, 3, 14])
def test_every_grid_has_its_parts(side: int) -> None:
    corner = (side - 1, side - 1)
    gained, _ = places(planted(corner, side=side), at_the_cells(corner, side=side))

    assert gained is not None
    assert gained.name == "the lower right"


def test_a_single_cell_has_nowhere_else_to_be() -> None:
    assert places(a_map(np.ones((1, 1)), np.ones((1, 1))), np.ones((1, 1), dtype=bool)) == (None, None)
