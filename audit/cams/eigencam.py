"""Eigen-CAM: the activation's first principal direction, whatever the class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w]. A direction has no sign of its own: it is chosen so that the map does not add up to less than 0.

    As in the paper the activation is not centered first, so that a map of activations that are never negative is
    never negative.
    """
    import numpy as np

    batch, channels, height, width = given.activation.shape
    cells = given.activation.reshape(batch, channels, height * width).transpose(0, 2, 1)
    finite = np.asarray(np.isfinite(cells).all(axis=(1, 2)))[:, None, None]
    _, _, directions = np.linalg.svd(np.where(finite, cells, 0), full_matrices=False)
    maps: NDArray[np.float32] = (cells @ directions[:, 0, :, None])[..., 0].reshape(batch, height, width)
    turned = np.where(maps.sum(axis=(1, 2), dtype=np.float64) < 0, -1, 1).astype(np.float32)
    return np.where(finite, maps * turned[:, None, None], np.float32(np.nan))


CAMS.add(
    "eigencam",
    CamMethod(
        name="eigencam",
        title="Eigen-CAM",
        formula="M(i,j) = sum over channels c of v_c A_c(i,j), v the first right singular vector of the activation as "
        "a matrix of cells by channels, its sign such that M adds up to 0 or more; the same for every class",
        source="Muhammad, Yeasin: Eigen-CAM: Class Activation Map using Principal Components, IJCNN 2020; the sign by "
        "our own rule",
        needs=frozenset(),
        compute=compute,
        signed=True,
        by_class=False,
    ),
)
