"""Rates: how often there is no answer, a wrong one, a right one; with a positive class also who gets it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.measures import MEASURES, Context, Measure, Observed
from audit.result import Skipped

_SHEN = (
    "after the two faults counted apart by Shen, Plested, Caldwell and Gedeon, Exploring Biases and Prejudice of "
    "Facial Synthesis via Semantic Latent Space, IJCNN 2021, arXiv 2108.10265"
)
_USUAL = "standard; named as in Fairlearn"


@MEASURES.register("rates")
def rates(context: Context) -> Iterator[Measure | Skipped]:
    """Three rates for every model, five more where one class is named as the positive one."""
    yield from _always(context)
    if context.positive is not None:
        yield from _with_positive(context.classes[context.positive], context.positive)
        return
    for name in ("selection_rate", *(row[0] for row in _CONDITIONAL)):
        yield Skipped(
            measure=name,
            reason="no class is named as the positive one; "
            "ask for this rate with `--positive NAME`, where NAME is one of the model's classes",
        )


def _always(context: Context) -> Iterator[Measure]:
    absent = ", or the table of predictions has none for the picture" if context.asked_elsewhere else ""
    yield Measure(
        name="failure_rate",
        title="Failure rate",
        family="rates",
        unit="proportion",
        better="lower",
        definition="Of all readable pictures, the share for which the model gave no usable answer: its output was not "
        f"a finite number, or it was not sure enough to answer{absent}. Pictures without a stated label count too.",
        formula="number of pictures without an answer / number of readable pictures",
        source=f"our operational definition, {_SHEN}",
        compute=_failed,
        proportion=True,
    )
    yield Measure(
        name="wrong_label_rate",
        title=_wrong_title(context.label),
        family="rates",
        unit="proportion",
        better="lower",
        definition="Of the pictures that got an answer and have a stated label, the share whose answer differs from "
        "the label.",
        formula="number of wrong answers / number of answers, over pictures with a stated label",
        source=f"our operational definition, {_SHEN}",
        compute=_wrong,
        proportion=True,
    )
    yield Measure(
        name="unbiased_rate",
        title="Right-answer rate",
        family="rates",
        unit="proportion",
        better="higher",
        definition="Of the pictures with a stated label, the share that got an answer and the right one. Both a "
        "missing and a wrong answer count against it. This is our own operational definition of what work on generated "
        "faces calls the unbiased rate.",
        formula="1 − missing answers / N − wrong answers / N = right answers / N, "
        "with N the number of pictures that have a stated label",
        source=f"our operational definition of the rate that bears this name, {_SHEN}",
        compute=_right,
        proportion=True,
    )


def _wrong_title(label: str) -> str:
    name = label.casefold()
    return f"Wrong-{name} rate" if name in ("gender", "sex") else "Wrong-label rate"


# name, title, whether the label is the positive class, whether the answer is, better
_CONDITIONAL = (
    ("false_positive_rate", "False positive rate", False, True, "lower"),
    ("false_negative_rate", "False negative rate", True, False, "lower"),
    ("true_positive_rate", "True positive rate", True, True, "higher"),
    ("true_negative_rate", "True negative rate", False, False, "higher"),
)


def _with_positive(positive: str, number: int) -> Iterator[Measure]:
    yield Measure(
        name="selection_rate",
        title="Selection rate",
        family="rates",
        unit="proportion",
        better="none",
        definition=f"Of the pictures that got an answer, the share answered “{positive}”, whether rightly or not.",
        formula=f"number answered “{positive}” / number of answers",
        source=_USUAL,
        compute=functools.partial(_selected, positive=number),
        proportion=True,
        not_within_label="groups made from the label itself should be selected at different rates: "
        "a gap between them says that the model works, not that it is unfair",
    )
    for name, title, labeled, answered, better in _CONDITIONAL:
        group = f"labeled “{positive}”" if labeled else f"with a stated label other than “{positive}”"
        answer = f"answered “{positive}”" if answered else f"answered other than “{positive}”"
        yield Measure(
            name=name,
            title=title,
            family="rates",
            unit="proportion",
            better=better,
            definition=f"Of the pictures {group} that got an answer, the share {answer}.",
            formula=f"number {answer} / number of answers, over pictures {group}",
            source=_USUAL,
            compute=functools.partial(_conditional, positive=number, labeled=labeled, answered=answered),
            proportion=True,
            not_within_label="a group made from the label itself has only positives or only negatives, so in it this "
            "rate is either empty or repeats the wrong-label rate",
        )


def _share(event: NDArray[np.bool_], *, of: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1 where the event is, 0 where it is not, NaN outside `of`."""
    return np.where(of, event.astype(np.float64), np.nan)


def _failed(observed: Observed) -> NDArray[np.float64]:
    return (observed.decisions < 0).astype(np.float64)


def _wrong(observed: Observed) -> NDArray[np.float64]:
    judged = (observed.decisions >= 0) & (observed.labels >= 0)
    return _share(observed.decisions != observed.labels, of=judged)


def _right(observed: Observed) -> NDArray[np.float64]:
    return _share(observed.decisions == observed.labels, of=observed.labels >= 0)


def _selected(observed: Observed, *, positive: int) -> NDArray[np.float64]:
    return _share(observed.decisions == positive, of=observed.decisions >= 0)


def _conditional(observed: Observed, *, positive: int, labeled: bool, answered: bool) -> NDArray[np.float64]:
    """The share whose answer is (or is not) the positive class, among those whose label is (or is not)."""
    condition = (observed.labels == positive) == labeled
    judged = (observed.decisions >= 0) & (observed.labels >= 0)
    return _share((observed.decisions == positive) == answered, of=judged & condition)
