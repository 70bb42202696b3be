"""Is a model better than guessing? If not, none of its other figures means anything."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from audit.result import Estimate
from audit.statistics._quantiles import plain
from audit.statistics.estimates import Cells, Groups, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUBJECTS = 30
_ALPHA = 0.05


def chance(
    wrong: NDArray[np.float64], labels: NDArray[np.int64], subjects: NDArray[np.int64], classes: int
) -> tuple[Estimate, bool]:
    """Mean recall over the classes, and whether it is no better than guessing.

    Its variance is the jackknife's over subjects, each taken out of all their classes at once; Student's t with
    Welch's degrees of freedom. A class of which nobody, or everybody, was recognized has no variance to show: it adds
    the reach of Wilson's interval for as many answers as it has people (effectively), squared and summed as variances
    are, so that a model that is always right, or always wrong, has an interval, too. No better than guessing: at least
    30 subjects, and the 95 % interval holds 1 / classes or lies below it. Classes with fewer than two people who got an
    answer don't enter: they have no variance, and one picture of a rare class must not switch the check off.

    Args:
        wrong: [N], 1 where the decision is not the label, NaN without an answer.
        labels: [N], index of the true class, -1 where it is not stated.
        subjects: [N], whose each item is.
        classes: how many the model tells apart.
    """
    counts = _of_several_people(np.isfinite(wrong) & (labels >= 0), labels, subjects)
    people = len(np.unique(subjects[counts]))
    nothing = Estimate(value=None, low=None, high=None, n=int(counts.sum()), subjects=people)
    if not nothing.n:
        return nothing, False
    present, codes = np.unique(labels[counts], return_inverse=True)
    cells = Cells(codes.astype(np.int64), subjects[counts], len(present))
    right = (1 - wrong[counts])[:, None]
    groups = Groups.of(cells, right, np.ones_like(right))
    recall = float(groups.mean.mean())
    by_class, kish = groups.variance[:, 0], groups.kish[:, 0]
    _, person = np.unique(cells.subject, return_inverse=True)
    moved = np.bincount(person, weights=groups.influence[:, 0]) / len(present)
    parts = (by_class**2 / (kish - 1)).sum()
    df = by_class.sum() ** 2 / parts if parts > 0 else (kish - 1).sum()
    critical = plain(_ALPHA, np.asarray(df))
    margin = critical**2 * (moved**2).sum()
    of_class, share = groups.mean[:, 0], 1 / len(present) ** 2
    least, most = wilson(of_class, kish, critical)
    edge = (of_class == 0) | (of_class == 1)
    below, above = (share * ((of_class - end)[edge] ** 2).sum() for end in (least, most))
    low, high = max(0.0, recall - math.sqrt(margin + below)), min(1.0, recall + math.sqrt(margin + above))
    found = dataclasses.replace(nothing, value=recall, low=low, high=high)
    return found, people >= _SUBJECTS and low <= 1 / classes + 1e-12


def _of_several_people(
    counts: NDArray[np.bool_], labels: NDArray[np.int64], subjects: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which of the items that count are of a class with at least two people, [N]."""
    people = np.unique(np.column_stack([labels[counts], subjects[counts]]), axis=0)[:, 0]
    classes, sizes = np.unique(people, return_counts=True)
    return counts & np.isin(labels, classes[sizes >= 2])
