"""Does the model know when it may be wrong? How far its confidence lies from how often it is right, by group."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.analyses import ANALYSES, Finished, described
from audit.result import Measurement, Skipped
from audit.statistics.estimates import FEW_EVENTS, Bools, Cells, Floats, Groups, Means, Sample, divide
from audit.statistics.jackknife import Roots, jackknife, of_sums

BINS = 15


@ANALYSES.register("calibration_error")
def calibration_error(finished: Finished) -> Iterator[Measurement | Skipped]:
    """One measurement: the debiased root mean square, over bins of confidence, of confidence minus accuracy."""
    stated = (finished.labels >= 0) & (finished.decisions >= 0)
    rows = np.arange(len(stated))
    # The probability of the decision itself: at another operating point than 0.5 it need not be the largest one.
    confidence = finished.scores[rows, np.maximum(finished.decisions, 0)]
    counts = stated & np.isfinite(confidence)
    if not counts.any():
        reason = "no picture has a stated label, an answer and a probability for it"
        yield Skipped(measure="calibration_error", parameters=_PARAMETERS, reason=reason)
        return
    right = (finished.decisions == finished.labels)[counts]
    statistic = SquaredGaps(
        counts=counts, bins=bins_of(confidence[counts], BINS), over=confidence[counts] - right, right=right
    )
    found, skipped = finished.summary.of_statistic(statistic, _MEASURE)
    yield from found
    yield from skipped


def bins_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of each confidence [n]: bins of as many images each over all groups together, equal numbers in one bin.

    Whole numbers, so that every image twice changes none: bins times the images that are less sure, over all images.
    """
    below = np.searchsorted(np.sort(confidence), confidence, side="left")
    return np.asarray(bins * below // max(len(confidence), 1), dtype=np.int64)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SquaredGaps:
    """The mean square of the gap between confidence and accuracy over bins, without the bias of small groups.

    In a bin with few images the mean of confidence minus right (`over`) is far from 0 by chance alone, and its square
    is too large by its variance: plain estimates call every small group badly calibrated. The product of two people's
    `over` has no such bias. So a bin's squared gap is the mean of those products over all pairs of images of different
    subjects, and it can be negative.
    """

    counts: Bools  # [N]; the rest is of the n images that count
    bins: NDArray[np.int64]
    over: Floats
    right: Bools

    def groups(self, cells: Cells) -> Groups:
        cell, size = cells.of_item[self.counts], len(cells.group)
        place = cell * BINS + self.bins

        def by_bin(weights: Floats) -> Floats:
            return np.bincount(place, weights, size * BINS).astype(np.float64).reshape(size, BINS)

        over, images = by_bin(self.over), by_bin(np.ones(len(place)))
        value, without = of_sums(cells, np.hstack([over, images, over**2, images**2]), _squared)
        counts = images.sum(axis=1)
        right = np.bincount(cell, self.right, size)
        events = cells.over_groups(np.stack([right > 0, right < counts], axis=1).astype(np.float64))
        return jackknife(cells, value=value, without=without, counts=counts, events=events.min(axis=1))

    def sample(self, groups: Groups, evidence: Bools) -> Sample:
        squares = Means.of(groups, evidence, relative=np.zeros(1, dtype=np.bool_))
        return Roots(squares=squares, few=groups.events < FEW_EVENTS)


def _squared(sums: Floats) -> Floats:
    """From sums over subjects [X, 4 x bins] to the mean squared gap [X]; bins of one person say nothing."""
    over, images, own_products, own_pairs = np.split(sums, 4, axis=1)
    pairs = images**2 - own_pairs
    gaps = divide(over**2 - own_products, pairs, otherwise=0.0)
    weights = np.where(pairs > 0, images, 0.0)
    return divide((weights * gaps).sum(axis=1), weights.sum(axis=1))


_PARAMETERS = {"bins": str(BINS)}
_MEASURE = described(
    name="calibration_error",
    title="Calibration error",
    family="scores",
    unit="share",
    better="lower",
    definition="How far the model's confidence lies from how often it is right: of the answers it gives with about 90 "
    "% confidence, 90 % should be right. 0 is a model that knows how often it is wrong. Corrected for the size of a "
    "group, because a plain estimate calls every small group badly calibrated; where the corrected square is negative, "
    "0 is shown.",
    formula="√ of the mean over answers of the squared gap of their bin, 0 where that is negative; 15 bins of as many "
    "answers each over all groups, by the probability of the answer; a bin's squared gap is the mean, over all pairs "
    "of answers about different subjects, of the product of their (probability − 1 if right, 0 if wrong)",
    source="the debiased ℓ2 calibration error of Kumar, Liang and Ma, Verified Uncertainty Calibration, NeurIPS 2019, "
    "arXiv 1909.10155, by subjects; the plain one: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural "
    "Networks, ICML 2017",
    parameters=_PARAMETERS,
    non_negative=False,  # no ratio: the square of either group can be negative
)
