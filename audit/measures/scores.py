"""Scores: how sure the model is, and how good its probabilities are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.measures import MEASURES, Context, Measure, Observed
from audit.result import Skipped


@MEASURES.register("scores")
def scores(context: Context) -> Iterator[Measure | Skipped]:
    """Confidence and Brier score, for every classifier that gives probabilities."""
    if context.scores_missing is not None:
        for name in ("confidence", "brier_score"):
            yield Skipped(measure=name, reason=context.scores_missing)
        return
    yield Measure(
        name="confidence",
        title="Confidence",
        family="scores",
        unit="share",
        better="none",
        definition="The largest probability that the model gave to any class, for pictures that got an answer. "
        "A model can be sure and wrong.",
        formula="max over classes k of p(k)",
        source="standard",
        compute=_confidence,
    )
    yield Measure(
        name="brier_score",
        title="Brier score",
        family="scores",
        unit="score",
        better="lower",
        definition="How far the model's probabilities lie from the truth: 0 is sure and right. Every picture with a "
        "stated label and finite probabilities counts, also where the model abstained.",
        formula=_BRIER[len(context.classes) == 2],
        source="standard: the Brier score, a squared error of probabilities",
        can_be_zero=True,
        compute=_brier,
    )


_BRIER = {
    True: "½ Σ over the two classes k of (p(k) − y(k))², with y(k) 1 for the labeled class and 0 for the other; it is "
    "(p − y)² of either class where the two probabilities add up to 1, so 1 is sure and wrong",
    False: "Σ over classes k of (p(k) − y(k))², with y(k) 1 for the labeled class and 0 for the others; "
    "2 is sure and wrong",
}


def _confidence(observed: Observed) -> NDArray[np.float64]:
    return np.where(observed.decisions >= 0, observed.scores.max(axis=1), np.nan)


def _brier(observed: Observed) -> NDArray[np.float64]:
    classes = observed.scores.shape[1]
    truth = observed.labels[:, None] == np.arange(classes)
    errors = ((observed.scores - truth) ** 2).sum(axis=1)  # NaN where a probability is
    return np.where(observed.labels >= 0, errors / 2 if classes == 2 else errors, np.nan)
