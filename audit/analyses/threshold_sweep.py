"""What another operating point would do: the rates of a two-class model over its threshold, by group."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.analyses import ANALYSES, Finished, described
from audit.measures import Measure
from audit.result import Measurement, Skipped, attribute_name

STEPS = tuple(round(0.05 * k, 2) for k in range(1, 20))  # 0.05 to 0.95
GROUPS_UP_TO = 12  # stated groups of an attribute that is listed: a record is no place for thousands of curves


@ANALYSES.register("threshold_sweep")
def threshold_sweep(finished: Finished) -> Iterator[Measurement | Skipped]:
    """One measurement a rate and threshold, values and intervals alone: groups are compared at the operating point."""
    reason = _missing(finished)
    if reason is not None:
        yield Skipped(measure="threshold_sweep", reason=reason)
        return
    thresholds = sorted({*STEPS, finished.threshold})
    answers = _answers(finished, np.array(thresholds))
    here = finished.threshold if _decides(finished, answers[:, thresholds.index(finished.threshold)]) else None
    for rate, better, event, of in _rates(finished, answers):
        values = np.where((answers >= 0) & of[:, None], event.astype(np.float64), np.nan)
        yield from _swept(finished, thresholds, here, rate, better, values)


def _rates(
    finished: Finished, answers: NDArray[np.int64]
) -> Iterator[tuple[str, str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Name and better direction of each rate, its event [N, T], and the pictures it is about [N]."""
    stated = finished.labels >= 0
    yield "wrong_label_rate", "lower", answers != finished.labels[:, None], stated
    if finished.positive is None:
        return
    selected = answers == finished.positive
    positive = finished.labels == finished.positive
    yield "selection_rate", "none", selected, np.ones_like(stated)
    yield "false_positive_rate", "lower", selected, stated & ~positive
    yield "false_negative_rate", "lower", ~selected, positive


def _missing(finished: Finished) -> str | None:
    if len(finished.classes) != 2:
        return f"a threshold is for models of two classes; this one has {len(finished.classes)}"
    answered = finished.decisions >= 0
    if not np.isfinite(finished.scores[answered]).all(axis=1).any():
        return "no picture has scores, so its answer at another threshold can't be known"
    if not (answered & (finished.labels >= 0)).any():
        return "no picture has both a stated label and an answer"
    return None


def _answers(finished: Finished, thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The answer at each threshold [N, T] by the task's own rule, -1 where the model gave none or no scores."""
    scores = np.where(np.isfinite(finished.scores), finished.scores, 0.0)
    second = scores[:, 1:] >= thresholds * scores.sum(axis=1, keepdims=True)
    known = (finished.decisions >= 0) & np.isfinite(finished.scores).all(axis=1)
    return np.where(known[:, None], second.astype(np.int64), -1)


def _decides(finished: Finished, answers: NDArray[np.int64]) -> bool:
    """Whether decisions are the answers [N] at the threshold: a table of predictions can hold others."""
    return bool(((answers == finished.decisions) | (answers < 0)).all())


def _swept(
    finished: Finished,
    thresholds: list[float],
    here: float | None,
    rate: str,
    better: str,
    values: NDArray[np.float64],
) -> Iterator[Measurement]:
    """The rate at each threshold, for attributes of few groups; conditional rates not for groups of the label. `here`
    is the operating point, where it is known."""
    listed = {
        g.name
        for g in finished.groupings
        if g.stated.sum() <= GROUPS_UP_TO and (rate == "wrong_label_rate" or finished.label not in g.attributes)
    }
    measures = [_described(finished, rate, better, threshold, here=threshold == here) for threshold in thresholds]
    for measurement in finished.summary.of(values, measures)[0]:
        groups = tuple(g for g in measurement.by_group if attribute_name(g.attributes) in listed)
        yield dataclasses.replace(measurement, by_group=groups, disparities=(), pairs=())


def _described(finished: Finished, rate: str, better: str, threshold: float, *, here: bool) -> Measure:
    operating = {"operating_point": "yes"} if here else {}
    second = finished.classes[1]
    return described(
        name="threshold_sweep",
        title="Rates over the threshold",
        family="sweep",
        unit="proportion",
        better=better,
        definition=f"What a rate would be if the answer were “{second}” from another probability on. Pictures without "
        "an answer stay without one. Whether groups differ is tested for the answers as given, at no other threshold.",
        formula=f"answer “{second}” where its share of the two probabilities ≥ threshold; then the measure named rate",
        source="standard",
        parameters={"rate": rate, "threshold": f"{threshold:g}", **operating},
        proportion=True,
    )
