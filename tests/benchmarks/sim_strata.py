"""Within strata: does the interval of the largest standardized difference hold the truth, with few and many groups and
strata, small and unequal cells, rare events, and people who are in several strata or groups?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from audit.statistics.couples import Couples
from audit.statistics.disparity import Gap
from audit.statistics.estimates import Cells, Groups
from audit.statistics.strata import Strata
from tests.benchmarks._people import ALPHA, Draw, People, Row, blocks, covered, rates, shared_rates, skewed

BAR = 0.945
WEIGHT = 8
_BETWEEN = 2_000_000  # numbers about every two cells, in memory together
Cell = tuple[str, People, Draw, int, float, bool]  # name, people by cell, draw, strata, true gap, proportion


def rows(runs: int, seed: int) -> list[Row]:
    """One row a cell."""
    cells = itertools.chain(
        (("of rates", c) for c in _rates()),
        (("of rates, people in several strata or groups", c) for c in _crossed(seed)),
        (("of skewed means", c) for c in _means(seed)),
    )
    found = []
    for k, (what, (name, people, draw, strata, truth, proportion)) in enumerate(cells):
        gap = standardized(people, draw, strata, proportion=proportion, runs=runs, seed=[seed, 8, k])
        found.append(covered(f"largest difference standardized over strata, {what}", name, gap, truth, BAR))
    return found


def standardized(people: People, draw: Draw, strata: int, *, proportion: bool, runs: int, seed: list[int]) -> Gap:
    """The audit's own gap over all strata in each run. Cell number = group x strata + stratum; all have evidence."""
    rng = np.random.default_rng(seed)
    place = np.arange(people.groups).reshape(-1, strata)
    cells = Cells(people.group, people.subject, people.groups)
    couples = Couples(cells)
    at_once = max(20, _BETWEEN // people.groups**2) if couples else runs
    found: list[Gap] = []
    for block in blocks(runs, len(people.group)):
        for some in (min(at_once, block - start) for start in range(0, block, at_once)):
            counts = np.repeat(people.images[:, None].astype(np.float64), some, axis=1)
            groups = Groups.of(cells, draw(rng, some), counts)
            evidence = np.ones_like(groups.mean, dtype=bool)
            relative = None if proportion else np.ones(some, dtype=bool)
            (over_all,) = Strata(place, groups, couples, evidence, relative).compare(np.arange(strata), ALPHA)
            found.append(over_all.gap)
    return Gap(**{name: np.concatenate([getattr(g, name) for g in found]) for name in ("value", "low", "high")})


def _levels(groups: int, strata: int, value: float | tuple[float, float], gap: float) -> np.ndarray:
    """Each cell's true value: by stratum from the one end to the other, the last group higher by the gap in all."""
    level = np.geomspace(*value, strata) if isinstance(value, tuple) else np.full(strata, value)
    return np.concatenate([level + gap * (g == groups - 1) for g in range(groups)])


def _sizes(groups: int, strata: int) -> Iterator[tuple[str, list[int]]]:
    yield "30 a cell", [30] * (groups * strata)
    yield "30 and 300", [30 if g % 2 else 300 for g in range(groups) for _ in range(strata)]
    if groups == 2:
        yield "300 a cell", [300] * (groups * strata)
        other_way = [np.linspace(300, 30, strata), np.linspace(30, 300, strata)]
        yield "30 to 300 and back", np.concatenate(other_way).astype(int).tolist()


def _rates() -> Iterator[Cell]:
    for groups, strata in ((2, 2), (2, 4), (2, 9), (3, 4), (8, 4), (8, 9)):
        for size, sizes in _sizes(groups, strata):
            for images, icc in ((1, 0.0), (5, 0.5)):
                for name, value in (("0.02", 0.02), ("0.1", 0.1), ("0.02 to 0.5", (0.02, 0.5))):
                    for gap in (0.0, 0.1):
                        people = People.apart(sizes, images)
                        means = _levels(groups, strata, value, gap)
                        shots = f"{images} picture{'s' * (images > 1)}, ICC {icc:g}"
                        cell = f"{groups} groups in {strata} strata, {size}, {shots}, rate {name}, true gap {gap:g}"
                        yield cell, people, rates(people, means, icc), strata, gap, True


def _crossed(seed: int) -> Iterator[Cell]:
    rng = np.random.default_rng([seed, 9])
    for groups, strata in ((2, 2), (2, 9), (3, 4), (8, 4)):
        for how, people in (
            (
                "in one group, 6 pictures over the strata",
                _scattered(rng, groups, strata, 40 * strata, 6, across="strata"),
            ),
            ("in one stratum, in all groups", _everywhere(groups, strata, 40)),
            ("6 pictures anywhere", _scattered(rng, groups, strata, 20 * groups * strata, 6, across="both")),
        ):
            for name, value in (("0.02", 0.02), ("0.1", 0.1), ("0.02 to 0.5", (0.02, 0.5))):
                for gap in (0.0, 0.1):
                    means = _levels(groups, strata, value, gap)
                    yield (
                        f"{groups} groups in {strata} strata, people {how}, ICC 0.5, rate {name}, true gap {gap:g}",
                        people,
                        shared_rates(people, means, 0.5),
                        strata,
                        gap,
                        True,
                    )


def _means(seed: int) -> Iterator[Cell]:
    rng = np.random.default_rng([seed, 10])
    for groups, strata in ((2, 2), (2, 9), (3, 4), (8, 4)):
        designs = [(size, People.apart(sizes, 1)) for size, sizes in _sizes(groups, strata)]
        designs += [(f"{size}, 5 pictures", People.apart(sizes, 5)) for size, sizes in list(_sizes(groups, strata))[:1]]
        scattered = _scattered(rng, groups, strata, 40 * strata, 6, across="strata")
        designs.append(("people in one group, 6 pictures over the strata", scattered))
        for design, people in designs:
            for cv in (0.5, 1.3):
                for gap in (0.0, 0.5):
                    means = _levels(groups, strata, (1.0, 3.0), gap)
                    draw = _shared_skewed(people, means, cv) if people is scattered else skewed(people, means, cv)
                    yield (
                        f"{groups} groups in {strata} strata, {design}, CV {cv:g}, mean 1 to 3, true gap {gap:g}",
                        people,
                        draw,
                        strata,
                        gap,
                        False,
                    )


def _scattered(
    rng: np.random.Generator, groups: int, strata: int, subjects: int, images: int, *, across: str
) -> People:
    """Pictures that fall into strata by chance, as quality does; `across` "both": into groups, too, as glasses do.
    `subjects` are those of each group, or of all."""
    several = across == "strata"
    person = np.repeat(np.arange(subjects * (groups if several else 1)), images)
    group = person // subjects if several else rng.integers(0, groups, len(person))
    cell = group * strata + rng.integers(0, strata, len(person))
    cells, often = np.unique(np.column_stack([cell, person]), axis=0, return_counts=True)
    return People(cells[:, 0], cells[:, 1], often)


def _everywhere(groups: int, strata: int, subjects: int) -> People:
    """So many people in each stratum, each with a picture in every group."""
    cell = np.repeat(np.arange(groups * strata), subjects)
    person = (cell % strata) * subjects + np.tile(np.arange(subjects), groups * strata)
    return People(cell, person, np.ones(len(cell), dtype=np.int64))


def _shared_skewed(people: People, mean: np.ndarray, cv: float) -> Draw:
    """As `skewed`, with one effect a person in all cells."""
    total = np.log1p(cv**2)
    deviation, level = np.sqrt(total / 2), np.log(mean) - total / 2

    def draw(rng: np.random.Generator, runs: int) -> np.ndarray:
        person = deviation * rng.standard_normal((people.subject.max() + 1, runs))[people.subject]
        start = level[people.group][:, None] + person
        sums = np.zeros_like(start)
        for nth in range(int(people.images.max())):
            some = np.flatnonzero(people.images > nth)
            sums[some] += np.exp(start[some] + deviation * rng.standard_normal((len(some), runs)))
        return sums

    return draw
