"""Who is taken for whom: for every label and every other answer, how often the one gets the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from audit.analyses import ANALYSES, Finished, described, once
from audit.measures import Measure
from audit.result import Measurement, Skipped

ALL_UP_TO = 10  # classes whose mistakes are all listed
MOST_FREQUENT = 20  # mistakes that are listed beyond
_PAIRS_UP_TO = 12  # mistakes listed with every pair of groups: beyond, a record would be made of little else

_WITHIN_LABEL = (
    "a group made from the label itself holds the pictures of one label only, so this mistake is either "
    "impossible in it or stands already under the group of the other attributes"
)


@ANALYSES.register("confusion")
def confusion(finished: Finished) -> Iterator[Measurement | Skipped]:
    """One measurement a mistake (label and decision), by group of the other attributes; the same table turned over by
    label is the confusion matrix."""
    judged = (finished.labels >= 0) & (finished.decisions >= 0)
    if not judged.any():
        yield Skipped(measure="confusion", reason="no picture has both a stated label and an answer")
        return
    if len(finished.classes) < 2:
        yield Skipped(measure="confusion", reason="a model of one class has nothing to take for something else")
        return
    counts = _matrix(finished, judged)
    listed = _mistakes(counts)
    for number, name in enumerate(finished.classes):
        if not counts[number].sum():
            reason = "no picture with this label got an answer"
            yield Skipped(measure="confusion", parameters={"label": name}, reason=reason)
    if len(finished.classes) > ALL_UP_TO:
        yield _left_out(counts, listed)
    measures = [_described(finished.classes[label], finished.classes[decision]) for label, decision in listed]
    found, skipped = finished.summary.of(_values(finished, judged, listed), measures)
    for measurement in found:
        yield measurement if len(found) <= _PAIRS_UP_TO else dataclasses.replace(measurement, pairs=())
    yield from once(skipped)


def _matrix(finished: Finished, judged: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pictures by label and decision, [K, K]."""
    size = len(finished.classes)
    flat = np.bincount(finished.labels[judged] * size + finished.decisions[judged], minlength=size * size)
    return flat.reshape(size, size)


def _mistakes(counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(label, decision) of the mistakes to list: all that labels allow, or the most frequent ones."""
    size = len(counts)
    if size <= ALL_UP_TO:
        return [(i, j) for i in range(size) for j in range(size) if i != j and counts[i].sum()]
    # Of a thousand classes a million mistakes are possible: only those that were made are looked at.
    made = [(i, j) for i, j in np.argwhere(counts).tolist() if i != j]
    return sorted(made, key=lambda mistake: (-counts[mistake], mistake))[:MOST_FREQUENT]


def _left_out(counts: NDArray[np.int64], listed: Sequence[tuple[int, int]]) -> Skipped:
    wrong = int(counts.sum() - np.trace(counts))
    covered = sum(int(counts[mistake]) for mistake in listed)
    share = f"{covered} of {wrong} wrong answers" if wrong else "there is no wrong answer"
    return Skipped(
        measure="confusion",
        reason=f"with {len(counts)} classes only the {MOST_FREQUENT} most frequent mistakes are listed ({share})",
    )


def _values(finished: Finished, judged: NDArray[np.bool_], listed: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    """[N, mistakes]: 1 where it was made, 0 where not, NaN for pictures of another label or without an answer."""
    values = np.full((len(judged), len(listed)), np.nan)
    for column, (label, decision) in enumerate(listed):
        rows = judged & (finished.labels == label)
        values[rows, column] = finished.decisions[rows] == decision
    return values


def _described(label: str, decision: str) -> Measure:
    return described(
        name="confusion",
        title="Taken for another class",
        family="confusion",
        unit="proportion",
        better="lower",
        definition="Of the pictures with one label that got an answer, the share that was answered as one particular "
        "other class. All of them together are the confusion matrix; each is compared between groups by itself.",
        formula="number with this label and this answer / number of answers, over pictures with this label",
        source="standard: the rows of the confusion matrix",
        parameters={"label": label, "decision": decision},
        proportion=True,
        not_within_label=_WITHIN_LABEL,
    )
