"""Between groups: do the intervals of the largest difference, the smallest ratio, the largest over the geometric mean
and the Gini index hold the truth, with many groups, unequal ones, few people, and people who are in several groups?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from tests.benchmarks._people import Draw, People, Row, covered, gaps, rates, shared_rates, skewed, truth

BAR = 0.945
WEIGHT = 10  # it takes longest: begun first
_NAMES = {
    "difference": "largest difference",
    "ratio": "smallest ratio",
    "max_geomean": "largest over geometric mean",
    "gini": "Gini index",
}
Cell = tuple[str, People, Draw, np.ndarray, bool]  # name, people, draw, each group's true value, proportion


def rows(runs: int, seed: int) -> list[Row]:
    """One row a kind and cell."""
    cells = itertools.chain(
        (("of rates", c) for c in _rates()),
        (("of rates", c) for c in _uneven(seed)),
        (("of rates, shared people", c) for c in _shared(seed)),
        (("of skewed means", c) for c in _means()),
    )
    return [row for k, (what, cell) in enumerate(cells) for row in _rows(what, cell, runs, [seed, 2, k])]


def _rows(what: str, cell: Cell, runs: int, seed: list[int]) -> Iterator[Row]:
    name, people, draw, means, proportion = cell
    for kind, gap in gaps(people, draw, proportion=proportion, runs=runs, seed=seed).items():
        yield covered(f"{_NAMES[kind]} {what}", name, gap, truth(means, kind), BAR)


def _sizes(groups: int) -> Iterator[tuple[str, list[int]]]:
    yield f"{groups} groups of 20", [20] * groups
    yield f"{groups} groups of 100", [100] * groups
    if groups <= 3:
        yield f"{groups} groups of 500", [500] * groups
    yield f"{groups} groups, every other of 20 and of 500", [20 if g % 2 else 500 for g in range(groups)]


def _patterns(value: float, groups: int, largest: float) -> Iterator[tuple[str, np.ndarray]]:
    """All alike; the last apart (a small group where sizes differ); evenly from the one to the other."""
    alike = np.full(groups, value)
    yield "all alike", alike
    yield "one apart", np.where(np.arange(groups) == groups - 1, largest, alike)
    if groups > 2:
        yield "a ladder", np.linspace(value, largest, groups)


def _rates() -> Iterator[Cell]:
    for groups in (2, 3, 8, 20):
        for size, sizes in _sizes(groups):
            for images, icc in ((1, 0.0), (5, 0.5)):
                for p, largest in ((0.02, 0.08), (0.1, 0.25), (0.4, 0.6)):
                    for pattern, means in _patterns(p, groups, largest):
                        people = People.apart(sizes, images)
                        name = f"{size}, {images} picture{'s' * (images > 1)}, ICC {icc:g}, rate {p:g}, {pattern}"
                        yield name, people, rates(people, means, icc), means, True


def _uneven(seed: int) -> Iterator[Cell]:
    """As in LFW: one person in twenty has 100 pictures, the others one to three."""
    rng = np.random.default_rng([seed, 4])
    for groups, subjects in ((2, 30), (2, 100), (2, 500), (8, 30), (8, 100)):
        some = np.tile(np.arange(subjects), groups)
        images = np.where(some < round(subjects / 20), 100, rng.integers(1, 4, len(some)))
        people = People(np.repeat(np.arange(groups), subjects), np.arange(len(some)), images)
        for icc in (0.3, 0.5):
            for p, largest in ((0.02, 0.08), (0.1, 0.25), (0.4, 0.6)):
                for pattern, means in list(_patterns(p, groups, largest))[:2]:
                    name = f"{groups} groups of {subjects}, 5 % with 100 pictures, ICC {icc:g}, rate {p:g}, {pattern}"
                    yield name, people, rates(people, means, icc), means, True


def _shared(seed: int) -> Iterator[Cell]:
    rng = np.random.default_rng([seed, 3])
    for groups, subjects in ((2, 30), (2, 100), (3, 100), (3, 300), (8, 100)):
        for how, people in (
            ("each in all, 1 picture there", _crossed(groups, subjects, 1)),
            ("each in all, 5 pictures there", _crossed(groups, subjects, 5)),
            ("1 to 10 pictures at random", _scattered(rng, groups, subjects)),
            ("a tenth in two", _tenth(groups, subjects)),
        ):
            for p, largest in ((0.1, 0.25), (0.4, 0.6)):
                for pattern, means in list(_patterns(p, groups, largest))[:2]:
                    name = f"{groups} groups, {subjects} people, {how}, ICC 0.5, rate {p:g}, {pattern}"
                    yield name, people, shared_rates(people, means, 0.5), means, True


def _crossed(groups: int, subjects: int, images: int) -> People:
    group = np.repeat(np.arange(groups), subjects)
    return People(group, np.tile(np.arange(subjects), groups), np.full(len(group), images))


def _scattered(rng: np.random.Generator, groups: int, subjects: int) -> People:
    """As glasses are: each picture of a person falls into a group by chance."""
    subject = np.repeat(np.arange(subjects), rng.integers(1, 11, subjects))
    cells, images = np.unique(
        np.column_stack([rng.integers(0, groups, len(subject)), subject]), axis=0, return_counts=True
    )
    return People(cells[:, 0], cells[:, 1], images)


def _tenth(groups: int, subjects: int) -> People:
    """`subjects` in each group with 3 pictures, a tenth of them also in the next."""
    home = np.arange(groups * subjects).reshape(groups, subjects)
    guests = np.roll(home[:, : subjects // 10], 1, axis=0)
    subject = np.concatenate([home, guests], axis=1)
    return People(np.repeat(np.arange(groups), subject.shape[1]), subject.ravel(), np.full(subject.size, 3))


def _means() -> Iterator[Cell]:
    for groups in (2, 3, 8, 20):
        for size, sizes in _mean_sizes(groups):
            for cv in (0.3, 1.3):
                for images in (1, 10) if groups < 8 else (1,):
                    for pattern, means in list(_patterns(1.0, groups, 1.3))[:2]:
                        people = People.apart(sizes, images)
                        name = f"{size}, {images} picture{'s' * (images > 1)}, CV {cv:g}, {pattern}"
                        yield name, people, skewed(people, means, cv), means, False


def _mean_sizes(groups: int) -> Iterator[tuple[str, list[int]]]:
    yield f"{groups} groups of 30", [30] * groups
    yield f"{groups} groups of 100", [100] * groups
    yield f"{groups} groups, every other of 30 and of 500", [30 if g % 2 else 500 for g in range(groups)]
