"""Activation strength: how strongly a layer responds to a picture, one number a picture and layer."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.measures import MEASURES, Context, Measure, Observed
from audit.result import Skipped
from audit.runtimes import REDUCTIONS

_FORMULA = (
    "with A the layer's output after its non-linearity, C channels of h × w places: "
    "max_of_channel_mean = max over x, y of (1/C) Σ over c of A(c, x, y); "
    "mean_of_channel_max = (1/C) Σ over c of max over x, y of A(c, x, y); "
    "mean = (1/(C h w)) Σ over c, x, y of A(c, x, y)"
)
_SOURCE = (
    "after Serna, Peña, Morales and Fierrez, InsideBias, ICPR 2020, arXiv 2004.06592; which reduction the paper "
    "uses is not confirmed, so three readings stand side by side, and no threshold is taken from it"
)


@MEASURES.register("activation_strength")
def activation_strength(context: Context) -> Iterator[Measure | Skipped]:
    """One measure for every tapped layer and reduction; of a vector all reductions are its mean, so it has one."""
    if not context.layers:
        reason = context.layers_missing or "no layer of this model is tapped"
        yield Skipped(measure="activation_strength", reason=reason)
    clipped = ", ".join(layer.name for layer in context.layers if not layer.non_negative)
    definition = (
        "How strongly a layer of the network responds to a picture: its output reduced to one number, in three ways. "
        "A gap between groups says that the model represents them differently, not which of them it fails."
    )
    if clipped:
        definition += f" Values below 0 were clipped at 0 first, in the layers that can have them: {clipped}."
    if not all(layer.spatial for layer in context.layers):
        definition += " A vector has one place, where all three ways give its mean: it is listed once."
    for layer in context.layers:
        for reduction in REDUCTIONS if layer.spatial else REDUCTIONS[:1]:
            yield Measure(
                name="activation_strength",
                title="Activation strength",
                family="activations",
                unit="activation",
                better="none",
                definition=definition,
                formula=_FORMULA,
                source=_SOURCE,
                compute=functools.partial(_strength, layer=layer.name, reduction=reduction),
                parameters={"layer": layer.name, "reduction": reduction},
                diagnostic=True,
                absent="the layer's values are not finite for any image: an overflow or a division by zero",
            )


def _strength(observed: Observed, *, layer: str, reduction: str) -> NDArray[np.float64]:
    values = observed.strengths[layer, reduction]
    return np.where(np.isfinite(values), values, np.nan)  # an overflow inside the network is no strength
