"""LayerCAM: every place weighed by its own positive gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import positive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], never negative."""
    import numpy as np

    assert given.gradient is not None  # noqa: S101 `needs` promises it
    return positive(np.einsum("bchw,bchw->bhw", np.maximum(given.gradient, 0), given.activation))


CAMS.add(
    "layercam",
    CamMethod(
        name="layercam",
        title="LayerCAM",
        formula="M_y(i,j) = max(0, sum over channels c of max(0, d n_y / d A_c(i,j)) A_c(i,j)), n_y the logit",
        source="Jiang, Zhang, Hou, Cheng, Wei: LayerCAM: Exploring Hierarchical Class Activation Maps for "
        "Localization, IEEE Transactions on Image Processing 2021",
        needs=frozenset({"gradients"}),
        compute=compute,
    ),
)
