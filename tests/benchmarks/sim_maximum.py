"""Maps by group: how often does any cell of any group get marked when the groups are alike?

Maps as a network leaves them: clipped at zero, so skewed, neighboring cells alike, shares of one. Groups of unlike
size, people with unlike numbers of pictures, people who are in several groups, and (not
exchangeable, so the hardest) a small group whose maps spread more widely around the same mean.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from audit.statistics.estimates import Cells
from audit.statistics.maximum import compared
from tests.benchmarks._people import ALPHA, Row

MOST, NOT_EXCHANGEABLE = 0.05, 0.12
WEIGHT = 4
SIDE = 7
DRAWS = 499  # p is right whatever their number; fewer are quicker
Cell = tuple[str, np.ndarray, np.ndarray, float]  # name, group, subject, how much wider the first group spreads


def rows(runs: int, seed: int) -> list[Row]:
    """One row a cell."""
    return [_row(cell, runs, [seed, 12, k]) for k, cell in enumerate(cells())]


def cells() -> Iterator[Cell]:
    for sizes in ((30, 30), (30, 300), (40, 40, 40, 40, 40), (30, 60, 120, 240)):
        group = np.repeat(np.arange(len(sizes)), sizes)
        yield f"groups of {', '.join(map(str, sizes))} people, 1 picture", group, np.arange(len(group)), 1.0
    people = np.repeat(np.arange(90), np.arange(90) % 5 + 1)
    yield "groups of 30, 60 people, 1 to 5 pictures", (people >= 30).astype(np.int64), people, 1.0
    shared = np.tile(np.repeat(np.arange(40), 2), 3)
    yield "40 people, each in all 3 groups, 2 pictures there", np.repeat(np.arange(3), 80), shared, 1.0
    partly = np.concatenate([np.arange(60), np.arange(30, 90)])
    yield "2 groups of 60 people, 30 of them in both", np.repeat(np.arange(2), 60), partly, 1.0
    group = np.repeat(np.arange(2), (60, 300))
    yield "groups of 60, 300 people, the smaller one's maps spread twice as widely", group, np.arange(360), 2.0


def maps(rng: np.random.Generator, subject: np.ndarray, wider: np.ndarray) -> np.ndarray:
    """Shares of relevance [N, SIDE * SIDE] around a bump in the middle; half of what spreads is the subject's own."""
    line = np.arange(SIDE)
    near = np.exp(-((line[:, None] - line) ** 2) / 2.0)
    bump = np.exp(-((line - SIDE // 2) ** 2) / 6.0)
    noise = rng.standard_normal((int(subject.max()) + 1, SIDE, SIDE))[subject]
    noise = (noise + rng.standard_normal(noise.shape)) / np.sqrt(2)
    smooth = near @ noise @ near / (near**2).sum(axis=1).mean()
    raw = np.maximum(bump[:, None] * bump - 0.1 + 0.3 * wider[:, None, None] * smooth, 0).reshape(len(subject), -1)
    return raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9)


def flagged(cell: Cell, runs: int, seed: list[int]) -> int:
    """In how many runs any cell of any group is marked, though all have the same mean map."""
    _, group, subject, times = cell
    rng, flags, groups = np.random.default_rng(seed), 0, int(group.max()) + 1
    made, strata = Cells(group, subject, groups), np.zeros(groups, dtype=np.int64)
    wider = np.where(group == 0, times, 1.0)
    level = np.zeros((groups, SIDE * SIDE))
    if times != 1:  # clipping would move the mean of the group that spreads more: bring both back to the same
        calm = np.random.default_rng(0)
        level = np.stack([maps(calm, np.arange(20_000), np.full(20_000, w)).mean(axis=0) for w in (times, 1.0)])
    for run in range(runs):
        drawn = maps(rng, subject, wider) - level[group]
        found = compared(made, drawn, np.ones(groups, dtype=bool), strata, seed=run, draws=DRAWS)
        flags += bool(np.nanmin(found.p) < ALPHA)
    return flags


def _row(cell: Cell, runs: int, seed: list[int]) -> Row:
    alike = cell[3] == 1
    return {
        "claim": f"mean maps that are alike{'' if alike else ', spread that is not'}: any cell of any group marked",
        "cell": cell[0],
        "bar": f"<= {MOST if alike else NOT_EXCHANGEABLE}",
        "measured": flagged(cell, runs, seed) / runs,
        "runs": runs,
    }
