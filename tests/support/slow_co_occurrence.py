"""The table of class by context once more, one picture at a time: right answers, and what a cell lacks beside the rest
of its class. Shares nothing with the package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Cell(NamedTuple):
    right: float  # share of right answers, NaN where nobody answers
    images: int
    subjects: int
    drop: float  # share of right answers of the rest of the class, less that of the cell
    mass: float  # mean, NaN where no picture has the region


def slow_table(
    labels: Sequence[str | None],
    contexts: Sequence[str | None],
    decisions: Sequence[str | None],
    subjects: Sequence[str],
    mass: Sequence[float],
) -> dict[tuple[str, str], Cell]:
    """By class and context; pictures without a stated one of them, or without an answer, are in no cell."""
    table = {}
    for label in {name for name in labels if name is not None}:
        for context in {name for name in contexts if name is not None}:
            mine, rest, people, masses = [], [], set(), []
            for k in range(len(labels)):
                if labels[k] != label or contexts[k] is None:
                    continue
                if contexts[k] == context and not math.isnan(mass[k]):
                    masses.append(mass[k])
                if decisions[k] is None:
                    continue
                right = 1.0 if decisions[k] == label else 0.0
                if contexts[k] == context:
                    mine.append(right)
                    people.add(subjects[k])
                else:
                    rest.append(right)
            own = sum(mine) / len(mine) if mine else math.nan
            others = sum(rest) / len(rest) if rest else math.nan
            relevance = sum(masses) / len(masses) if masses else math.nan
            table[label, context] = Cell(own, len(mine), len(people), others - own, relevance)
    return table
