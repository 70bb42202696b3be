"""XGrad-CAM: channels weighed by their gradient where they are active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import positive, ratio, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], never negative. A channel whose activation adds up to 0 has no weight."""
    import numpy as np

    assert given.gradient is not None  # noqa: S101 `needs` promises it
    heard = np.einsum("bchw,bchw->bc", given.gradient, given.activation, dtype=np.float64)
    return positive(weighted(ratio(heard, given.activation.sum(axis=(2, 3), dtype=np.float64)), given.activation))


CAMS.add(
    "xgradcam",
    CamMethod(
        name="xgradcam",
        title="XGrad-CAM",
        formula="M_y(i,j) = max(0, sum over channels c of w_c A_c(i,j)), w_c = sum over cells of "
        "(d n_y / d A_c) A_c / sum over cells of A_c, n_y the logit",
        source="Fu, Hu, Dong, Guo, Gao, Li: Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of "
        "CNNs, BMVC 2020",
        needs=frozenset({"gradients"}),
        compute=compute,
        opposite=frozenset({1}),
    ),
)
