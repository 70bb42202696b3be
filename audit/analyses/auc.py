"""How well the scores tell the classes apart, whatever the threshold: the area under the ROC curve, by group."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.analyses import ANALYSES, Finished, described, group_name
from audit.result import Measurement, Skipped
from audit.statistics.estimates import Bools, Cells, Floats, Groups, Rates, Sample, divide
from audit.statistics.jackknife import jackknife

MOST_CLASSES = 20  # each is a sort of the table by its score

_WITHIN_LABEL = (
    "a group made from the label itself holds pictures of one label only, so there is nothing in it to tell apart"
)


@ANALYSES.register("auc")
def auc(finished: Finished) -> Iterator[Measurement | Skipped]:
    """One measurement: of two classes the area itself, of more the mean over the classes, each against all others."""
    counts = (finished.labels >= 0) & np.isfinite(finished.scores).all(axis=1)
    reason = _missing(finished, counts)
    if reason is not None:
        yield Skipped(measure="auc", reason=reason)
        return
    statistic = Areas(labels=finished.labels, scores=_scores(finished), counts=counts)
    found, skipped = finished.summary.of_statistic(statistic, _MEASURE[len(finished.classes) == 2])
    yield from found
    yield from skipped
    for measurement in found:
        yield from _one_label(finished, measurement)


def _missing(finished: Finished, counts: Bools) -> str | None:
    if not counts.any():
        return "no picture has both a stated label and scores"
    if len(finished.classes) > MOST_CLASSES:
        return f"the model has {len(finished.classes)} classes; an area is computed for up to {MOST_CLASSES}"
    present = np.unique(finished.labels[counts])
    if len(finished.classes) < 2 or len(present) < len(finished.classes):
        absent = [name for k, name in enumerate(finished.classes) if k not in present]
        named = ", ".join(absent[:3]) + ("…" if len(absent) > 3 else "")
        return f"no picture with scores is labeled {named}" if absent else "there is only one class"
    return None


def _one_label(finished: Finished, measurement: Measurement) -> Iterator[Skipped]:
    """Groups of at least two people in which a label is missing: shown without a value, and named here."""
    for grouping in finished.groupings:
        empty = [g.attributes for g in measurement.groups(grouping.name) if g.value is None]
        if empty:
            named = "; ".join(group_name(key) for key in empty[:5]) + ("; and more" if len(empty) > 5 else "")
            reason = f"not every label occurs in these groups, so there is nothing to tell apart in them: {named}"
            yield Skipped(measure="auc", reason=reason, attribute=grouping.name)


def _scores(finished: Finished) -> list[Floats]:
    """The score of each class that is set against all others; two classes need one area, as each has the other's."""
    scores = finished.scores
    if scores.shape[1] != 2:
        return [scores[:, k] for k in range(scores.shape[1])]
    # The share of the two, which the decision goes by as well: it is the probability where they add up to 1.
    return [np.full(len(scores), np.nan), divide(scores[:, 1], scores.sum(axis=1), otherwise=0.5)]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Areas:
    """The mean over classes of the area under the ROC curve of this class against the others.

    An area is the share of pairs, one picture of the class and one of another, that the scores put in the right order,
    a tie counting half. It is a share of pairs, so it has a share's interval: Wilson's, at the size at which a share
    has the jackknife's variance. No variance of it is larger than that of a share of as many pictures as the rarer side
    has, so that number is used where the jackknife sees none.
    """

    labels: NDArray[np.int64]
    scores: list[Floats]  # of each class, [N]; all NaN for a class that is not taken
    counts: Bools  # [N]

    def groups(self, cells: Cells) -> Groups:
        areas = [
            _area(cells, score, self.labels == number, self.counts)
            for number, score in enumerate(self.scores)
            if not np.isnan(score).all()
        ]
        return jackknife(
            cells,
            value=np.mean([a.value for a in areas], axis=0),
            without=np.mean([a.without for a in areas], axis=0),
            counts=cells.sums(self.counts[:, None].astype(np.float64))[:, 0],
            kish=np.min([a.kish for a in areas], axis=0),
            events=np.min([a.events for a in areas], axis=0),
        )

    def sample(self, groups: Groups, evidence: Bools) -> Sample:
        # A group's size hangs on how its labels are mixed, so groups say nothing about each other's.
        return Rates.of(groups, np.zeros_like(evidence))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Area:
    value: Floats  # [G]
    without: Floats  # [C]
    kish: Floats  # [G], subjects of the rarer side
    events: Floats  # [G], effective number of subjects behind the pairs in the right order, or in the wrong, of a side


def _area(cells: Cells, scores: Floats, positive: Bools, counts: Bools) -> _Area:
    cell = cells.of_item[counts]
    scores, positive = scores[counts], positive[counts]
    group, size = cells.group[cell], len(cells.group)
    sides = np.stack([positive, ~positive], axis=1).astype(np.float64)
    in_cell = _sums(cell, sides, size)  # [C, 2]
    in_group = cells.over_groups(in_cell)  # [G, 2]
    right = pairs_in_order(group, scores, positive)
    wrong = in_group[group, positive.astype(np.int64)] - right  # the other side stands in the other column
    both = pairs_in_order(cell, scores, positive) * positive
    by_cell, within, of_positive = _sums(cell, np.stack([right, both, right * positive], axis=1), size).T
    total = cells.over_groups(of_positive[:, None])[:, 0]
    # Pairs with one end in the cell are left out; those with both were taken away twice.
    rest = in_group[cells.group] - in_cell
    kish = divide(in_group**2, cells.over_groups(in_cell**2))
    ordered = _sums(cell, np.hstack([right[:, None] * sides, wrong[:, None] * sides]), size)
    behind = divide(cells.over_groups(ordered) ** 2, cells.over_groups(ordered**2), otherwise=0.0)
    return _Area(
        value=divide(total, in_group.prod(axis=1)),
        without=divide(total[cells.group] - by_cell + within, rest.prod(axis=1)),
        kish=kish.min(axis=1),
        events=behind.min(axis=1),
    )


def _sums(cell: NDArray[np.int64], columns: Floats, size: int) -> Floats:
    """Columns [n, P] summed by cell: [size, P]."""
    return np.stack([np.bincount(cell, column, size) for column in columns.T], axis=1).astype(np.float64)


def pairs_in_order(codes: NDArray[np.int64], scores: Floats, positive: Bools) -> Floats:
    """For each item, with how many of the other side and the same code its score is in the right order (positive above
    negative), ties counting half: [N]. One sort."""
    order = np.lexsort((scores, codes))
    code, score = codes[order], scores[order]
    new_code = np.append(True, code[1:] != code[:-1]) if len(order) else np.zeros(0, dtype=bool)
    new_run = new_code | np.append(True, score[1:] != score[:-1]) if len(order) else new_code
    result = np.zeros(len(order))
    for side in (True, False):
        other = positive[order] != side
        below = np.append(0, np.cumsum(other))  # of the other side, before each place
        starts, ends = _spans(new_run)
        first, last = _spans(new_code)
        in_order = below[starts] - below[first] if side else below[last] - below[ends]
        mine = ~other
        result[order[mine]] = (in_order + 0.5 * (below[ends] - below[starts]))[mine]
    return result


def _spans(new: Bools) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each place the first place of its run, and the first place after it."""
    begins = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    return begins[run], np.append(begins[1:], len(new))[run]


_DEFINITION = (
    "How well the scores tell {who} apart, whatever the threshold: the chance that a picture of the one gets a higher "
    "score than a picture of the other. 1 is always, 0.5 is guessing. Every picture with a stated label and finite "
    "scores counts, also where the model abstained.{more}"
)
_MEASURE = {
    two: described(
        name="auc",
        title="Area under the ROC curve",
        family="scores",
        unit="score",
        better="higher",
        definition=_DEFINITION.format(
            who="the two classes" if two else "each class from all others",
            more="" if two else " The mean over the classes, each counting the same.",
        ),
        formula="over all pairs of a picture of the class and one of another: (pairs in which the first has the higher "
        "score + ½ pairs in which both are equal) / pairs",
        source="standard: Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic "
        "(ROC) curve, Radiology 143, 1982; interval by the delete-one-subject jackknife",
        proportion=True,
        not_within_label=_WITHIN_LABEL,
    )
    for two in (True, False)
}
