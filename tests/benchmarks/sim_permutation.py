"""The 15-image mode: how often does its p flag groups that are alike?

Whole subjects are permuted, or whole cells (subject x group) within subjects where everybody is in every group, also
among more than two groups. 2,000 arrangements are drawn in place of all 126,126: as valid, and quicker.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import numpy as np

from audit.statistics import _arrangements
from audit.statistics.estimates import Cells
from audit.statistics.permutation import permuted
from tests.benchmarks._people import ALPHA, Row

MOST = 0.05
WEIGHT = 3
_TOGETHER = 50  # runs that share their arrangements
Cell = tuple[str, np.ndarray, np.ndarray, float, float]  # name, group, subject, spread of subjects, spread of cells


def rows(runs: int, seed: int) -> list[Row]:
    """One row a cell."""
    with mock.patch.object(_arrangements, "EXACT", 0):
        return [_row(cell, runs, [seed, 11, k]) for k, cell in enumerate(_cells())]


def _cells() -> Iterator[Cell]:
    for groups, of in ((3, 5), (5, 3), (3, 20)):
        for cv in (0.1, 0.3):
            code = np.repeat(np.arange(groups), of)
            yield f"{groups} groups of {of} people, 1 picture, CV {cv:g}", code, np.arange(len(code)), cv, 0.0
    for groups in (2, 3, 5):
        for pictures in (1, 3):
            subject = np.repeat(np.arange(10), groups * pictures)
            code = np.tile(np.repeat(np.arange(groups), pictures), 10)
            name = f"10 people, each in all {groups} groups, {pictures} picture{'s' * (pictures > 1)} there"
            yield name, code, subject, 0.2, 0.15


def _row(cell: Cell, runs: int, seed: list[int]) -> Row:
    name, code, subject, of_subject, of_cell = cell
    rng, flags, groups = np.random.default_rng(seed), 0, int(code.max()) + 1
    cells = Cells(code, subject, groups)
    for start in range(0, runs, _TOGETHER):
        some = min(_TOGETHER, runs - start)
        values = 1 + of_subject * rng.standard_normal((int(subject.max()) + 1, some))[subject]
        values += of_cell * rng.standard_normal((len(cells.group), some))[cells.of_item]
        values += 0.05 * rng.standard_normal(values.shape)
        found = permuted(cells, values.clip(0.01), np.ones_like(values), np.ones(groups, dtype=bool), seed=start)
        flags += sum(f is not None and f.p_value is not None and f.p_value < ALPHA for f in found)
    return {
        "claim": "groups that are alike, flagged in the 15-image mode",
        "cell": name,
        "bar": f"<= {MOST}",
        "measured": flags / runs,
        "runs": runs,
    }
