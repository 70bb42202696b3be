"""Grad-CAM++: channels weighed by their positive gradients, each place counted so that all of an object counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import positive, ratio, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], never negative.

    The paper's closed form for scores that are the exponential of a logit, which itself only scales a map. No small
    number is added below the fraction, as libraries do: where gradients are small, it would decide the map.
    """
    import numpy as np

    assert given.gradient is not None  # noqa: S101 `needs` promises it
    gradient = given.gradient.astype(np.float64)
    squares = gradient**2
    total = given.activation.sum(axis=(2, 3), keepdims=True, dtype=np.float64)
    share = ratio(squares, 2 * squares + total * squares * gradient)
    weight = (share * np.maximum(gradient, 0)).sum(axis=(2, 3))
    return positive(weighted(weight, given.activation))


CAMS.add(
    "gradcam_plusplus",
    CamMethod(
        name="gradcam_plusplus",
        title="Grad-CAM++",
        formula="M_y(i,j) = max(0, sum over channels c of w_c A_c(i,j)), w_c = sum over cells of a_c max(0, g_c), "
        "a_c = g_c^2 / (2 g_c^2 + g_c^3 sum over cells of A_c) and 0 where g_c = 0; g_c = d n_y / d A_c, n_y the logit",
        source="Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++: Generalized Gradient-based Visual "
        "Explanations for Deep Convolutional Networks, WACV 2018",
        needs=frozenset({"gradients"}),
        compute=compute,
    ),
)
