"""A table of predictions read the slow way, cell by cell."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def slow_lookup(path: Path, pictures: Sequence[str], classes: Sequence[str]) -> tuple[list[int], NDArray[np.float64]]:
    """Index of each picture's decision (-1: none) and its `score.CLASS` cells, NaN where there is none."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    decisions, scores = [], []
    for picture in pictures:
        found = [row for row in rows if row["path"] == picture]
        said = found[0]["decision"] if found else ""
        decisions.append(list(classes).index(said) if said else -1)
        cells = [found[0][f"score.{name}"] if found else "" for name in classes]
        scores.append([float(cell) if cell else float("nan") for cell in cells])
    return decisions, np.array(scores)
