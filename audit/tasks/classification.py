"""Classification: one probability a class, one decision an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.errors import ModelError
from audit.tasks import TASKS, Outcome, OutputSpec

_NOT_FINITE = "the output is not finite"
# Half precision and 8-bit networks overshoot 0 and 1 by rounding; beyond this it is no probability at all.
_OVERSHOOT = 0.01


class Classification:
    """Reads outputs [B, K] as K classes, and outputs [B, 1] as two: [negative, positive].

    Probabilities are taken as the model gives them, within 0..1; they are not brought to add up to 1, so that a network
    with one sigmoid a class is shown as it is. Two classes: the answer is class 1 where its share of the two
    probabilities is at least the threshold (where they add up to 1 the share is the probability itself, and a tie at
    0.5 goes to class 1). More classes: the largest, the first of equal ones.
    """

    def columns(self, shape: tuple[int | None, ...]) -> int:
        """How many classes an output of this shape tells apart. Raises ModelError where it is no list of classes."""
        width = 1 if len(shape) == 1 else shape[1] if len(shape) == 2 else None
        if not width:
            raise ModelError(
                "the model's output is not one number a class",
                value="x".join("?" if size is None else str(size) for size in shape) or "a single number",
                allowed="a shape of pictures x classes, or pictures x 1 for one sigmoid output",
                hint="A classifier is needed here; where the model has several outputs, choose one with --output NAME",
            )
        return 2 if width == 1 else width

    def decide(self, outputs: NDArray[np.floating[Any]], spec: OutputSpec) -> Outcome:
        """Outputs [B, K] or [B, 1] to probabilities and decisions over the classes of `spec`.

        Raises ModelError: another number of classes than `spec` names, or numbers that can't be what `spec.final`
        says.
        """
        classes = self.columns(outputs.shape)
        if classes != len(spec.classes):
            raise ModelError(
                "the model's output has another number of classes than are named",
                value=classes,
                allowed=f"{len(spec.classes)} ({', '.join(spec.classes[:12])})",
            )
        table = outputs.reshape(-1, 1) if outputs.ndim == 1 else outputs
        finite: NDArray[np.bool_] = np.all(np.isfinite(table), axis=1)
        scores = _probabilities(np.where(finite[:, None], table, 0).astype(np.float64), spec.final)
        decisions = _decisions(scores, spec.threshold)
        unsure = scores.max(axis=1) < spec.abstain_below
        scores[~finite] = np.nan
        decisions[unsure | ~finite] = -1
        abstained = f"abstained: the largest probability is under {spec.abstain_below:g}"
        reasons = (_NOT_FINITE if not f else abstained if u else None for f, u in zip(finite, unsure, strict=True))
        return Outcome(scores=scores, decisions=decisions, reasons=tuple(reasons))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _with_negative(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """One logit is a softmax of two whose first is 0."""
    return _softmax(np.hstack([np.zeros_like(logits), logits]))


def _given(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    worst = outputs.flat[np.argmax(np.abs(outputs - 0.5))] if outputs.size else 0.5
    if abs(worst - 0.5) > 0.5 + _OVERSHOOT:
        raise ModelError(
            "the model's output was taken for probabilities, and it is none",
            value=f"{worst:g}",
            allowed="numbers from 0 to 1",
            hint="Export the model so that it ends in plain logits, or in a softmax or sigmoid",
        )
    return np.clip(outputs, 0, 1)


def _exponential(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    return _given(np.exp(np.minimum(outputs, 1)))  # capped: what is above 0 is refused, whatever its size


def _complement(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = _given(outputs)
    return np.hstack([1 - positive, positive])


_Reading = Mapping[str | None, Callable[[NDArray[np.float64]], NDArray[np.float64]]]
_ONE: _Reading = {None: _with_negative, "sigmoid": _complement, "probabilities": _complement}
_SEVERAL: _Reading = {
    None: _softmax,
    "softmax": _given,
    "sigmoid": _given,
    "probabilities": _given,
    "log_softmax": _exponential,
}


def _probabilities(outputs: NDArray[np.float64], final: str | None) -> NDArray[np.float64]:
    """Probabilities [B, K] by what the network's last step is."""
    one = outputs.shape[1] == 1
    readings = _ONE if one else _SEVERAL
    if final not in readings:
        raise ModelError(
            f"the model's last step can't be read over {'one number' if one else 'several numbers'} a picture",
            value=final,
            allowed=[name or "logits" for name in readings],
            hint="A softmax over a single number is always 1" if one else None,
        )
    return readings[final](outputs)


def _decisions(scores: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    two = scores.shape[1] == 2
    chosen = scores[:, 1] >= threshold * scores.sum(axis=1) if two else scores.argmax(axis=1)
    return np.asarray(chosen, dtype=np.int64)


TASKS.add("classification", Classification())
