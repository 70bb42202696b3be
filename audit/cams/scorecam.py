"""Score-CAM: channels weighed by what the network says of the picture where they are active; a pass for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import positive, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], never negative.

    A channel is brought to the picture's size bilinearly between the centers of its cells, then to 0..1. One that is
    the same everywhere marks no place and is left out. The weights are the softmax over the channels of the target's
    logit; what a black picture gives would be subtracted from all alike, and is not asked for.
    """
    import numpy as np

    if "scores" not in given.shared:
        given.shared["scores"] = _scores(given)
    scores, marks = given.shared["scores"]
    scores = np.where(marks, scores[:, given.turn].T, -np.inf)
    powers = np.exp(scores - np.where(marks.any(axis=1), scores.max(axis=1), 0)[:, None])
    weight = powers / np.where(marks.any(axis=1), powers.sum(axis=1), 1)[:, None]
    return positive(weighted(weight, given.activation))


def _scores(given: CamInput) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logits of the T targets asked for [C, T, B] of the pictures seen through one channel after the other, and which
    channels mark a place [B, C]."""
    import numpy as np

    from audit._grids import resample

    assert given.forward is not None  # noqa: S101 `needs` promises both
    assert given.images is not None  # noqa: S101 as above
    axes = slice(1, 3) if given.channels_last else slice(2, 4)
    size = (int(given.images.shape[axes][0]), int(given.images.shape[axes][1]))
    scores, marks = [], []
    for channel in range(given.activation.shape[1]):
        mask = resample(given.activation[:, channel], size)
        low, high = mask.min(axis=(1, 2), keepdims=True), mask.max(axis=(1, 2), keepdims=True)
        marks.append((high > low)[:, 0, 0])
        mask = (mask - low) / np.where(high > low, high - low, np.float32(1))
        seen = _masked(given.images, mask[..., None] if given.channels_last else mask[:, None])
        scores.append(given.scores(given.forward(seen)))
    return np.stack(scores), np.stack(marks, axis=1)


def _masked(images: NDArray[Any], mask: NDArray[np.float32]) -> NDArray[Any]:
    """Pictures times a mask, in their own type."""
    import numpy as np

    seen = images * mask
    return (np.rint(seen) if np.issubdtype(images.dtype, np.integer) else seen).astype(images.dtype)


CAMS.add(
    "scorecam",
    CamMethod(
        name="scorecam",
        title="Score-CAM",
        formula="M_y(i,j) = max(0, sum over channels c of w_c A_c(i,j)), w = softmax over c of n_y(X times H_c), "
        "H_c = A_c at the picture's size and brought to 0..1, X the picture as it is fed, n_y the logit (the "
        "log-probability where the file shows nothing but probabilities)",
        source="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM: Score-Weighted Visual Explanations for "
        "Convolutional Neural Networks, CVPR workshops 2020",
        needs=frozenset({"forward"}),
        compute=compute,
    ),
)
