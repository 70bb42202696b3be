"""Ablation-CAM: channels weighed by how much the logit drops without them. Needs no gradients, and a run of what is
behind the layer for every channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import positive, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], never negative.

    The paper divides the drop by the logit, so that a logit below 0 would turn the map round; here by its size.
    """
    import numpy as np

    if "scores" not in given.shared:
        given.shared["scores"] = _scores(given)
    whole, without = (scores[..., given.turn, :] for scores in given.shared["scores"])
    size = np.where(whole == 0, 1, np.abs(whole))
    return positive(weighted(((whole - without) / size).T, given.activation))


def _scores(given: CamInput) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logits of the T targets asked for [T, B], and [C, T, B] with one channel after the other set to 0 in the whole
    batch."""
    import numpy as np

    assert given.tail is not None  # noqa: S101 `needs` promises it
    whole = given.scores(given.tail(given.activation))
    without = np.empty((given.activation.shape[1], *whole.shape))
    changed = given.activation.copy()
    for channel in range(len(without)):
        changed[:, channel] = 0
        without[channel] = given.scores(given.tail(changed))
        changed[:, channel] = given.activation[:, channel]
    return whole, without


CAMS.add(
    "ablationcam",
    CamMethod(
        name="ablationcam",
        title="Ablation-CAM",
        formula="M_y(i,j) = max(0, sum over channels c of w_c A_c(i,j)), w_c = (n_y - n_y without c) / |n_y|, "
        "n_y the logit, channel c set to 0 in the second",
        source="Desai, Ramaswamy: Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free "
        "Localization, WACV 2020; divided by the size of the logit instead of the logit",
        needs=frozenset({"tail"}),
        compute=compute,
        opposite=frozenset({1}),
    ),
)
