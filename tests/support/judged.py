"""Pictures that a judge has looked at: generated ones, untouched ones, and those of people of the other label."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from audit.statistics.corrected import Correction, Judged, correct
from audit.statistics.estimates import Cells
from tests.support.slow_corrected import Rows


@dataclasses.dataclass(frozen=True)
class Looked:
    """One kind of picture: who is in which group, and what the judge said (NaN: nothing that counts)."""

    values: np.ndarray  # [N, M]
    groups: np.ndarray  # [N]
    subjects: np.ndarray  # [N]

    def judged(self, groups: int) -> Judged:
        seen = np.isfinite(self.values)
        return Judged.of(Cells(self.groups, self.subjects, groups), np.where(seen, self.values, 0.0), 1.0 * seen)

    def rows(self, measure: int = 0) -> Rows:
        return [
            (float(v), str(g), int(s))
            for v, g, s in zip(self.values[:, measure], self.groups, self.subjects, strict=True)
        ]

    def take(self, order: np.ndarray) -> Looked:
        return Looked(self.values[order], self.groups[order], self.subjects[order])


def two_labels(
    rng: np.random.Generator,
    *,
    people: Sequence[int],
    judge: Sequence[float],
    generator: Sequence[float],
    pictures: int = 3,
    icc: float = 0.3,
    runs: int = 1,
) -> tuple[Looked, Looked, Looked]:
    """Generated, untouched and other pictures of an even number of groups: group 2k and 2k + 1 have the same attributes
    but for the label, so that what the judge gets wrong of one is what it takes for the other.

    Args:
        people: in each group.
        judge: how often it is wrong on untouched pictures, in each group.
        generator: how often a generated picture has turned into the other label, in each group.
    """
    group = np.repeat(np.arange(len(people)), people)
    subject = np.arange(len(group))
    judge_of, generator_of = (_alike(rng, np.asarray(x)[group], icc, runs) for x in (judge, generator))
    partner = group ^ 1
    other_of = _alike(rng, np.asarray(judge)[partner], icc, runs)  # of a picture that turned into the other label
    rows = np.repeat(subject, pictures)
    shape = (len(rows), runs)
    untouched = rng.random(shape) < judge_of[rows]
    turned = rng.random(shape) < generator_of[rows]
    wrong = np.where(turned, rng.random(shape) >= other_of[rows], rng.random(shape) < judge_of[rows])
    return (
        Looked(wrong.astype(float), group[rows], rows),
        Looked(untouched.astype(float), group[rows], rows),
        Looked(untouched.astype(float), partner[rows], rows),
    )


def corrected(looked: Sequence[Looked], groups: int, *, alpha: float = 0.05, min_subjects: int = 2) -> Correction:
    generated, untouched, other = (part.judged(groups) for part in looked)
    return correct(generated, untouched, other, alpha=alpha, min_subjects=min_subjects)


def _alike(rng: np.random.Generator, rate: np.ndarray, icc: float, runs: int) -> np.ndarray:
    """Each person's own rate [S, runs], so that their pictures are alike (a beta distribution)."""
    p = np.broadcast_to(rate[:, None], (len(rate), runs))
    if icc == 0:
        return p
    scale = 1 / icc - 1
    own = rng.beta(np.maximum(p, 1e-12) * scale, (1 - p) * scale)
    return np.where(p > 0, own, 0.0)
