"""Grad-CAM: channels weighed by the mean gradient of the class's logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import positive, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], never negative: the paper keeps what speaks for the class and drops the rest by a ReLU."""
    import numpy as np

    assert given.gradient is not None  # noqa: S101 `needs` promises it
    return positive(weighted(given.gradient.mean(axis=(2, 3), dtype=np.float32), given.activation))


CAMS.add(
    "gradcam",
    CamMethod(
        name="gradcam",
        title="Grad-CAM",
        formula="M_y(i,j) = max(0, sum over channels c of a_{y,c} A_c(i,j)), "
        "a_{y,c} = mean over cells (i,j) of d n_y / d A_c(i,j), n_y the logit",
        source="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM: Visual Explanations from Deep Networks "
        "via Gradient-based Localization, ICCV 2017",
        needs=frozenset({"gradients"}),
        compute=compute,
        opposite=frozenset({1}),
    ),
)
