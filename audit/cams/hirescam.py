"""HiResCAM: gradient times activation, place by place; where the rest of the network is linear, exactly the logit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], signed. With a pool and a linear layer behind, a map adds up to the logit less the bias."""
    import numpy as np

    assert given.gradient is not None  # noqa: S101 `needs` promises it
    made: NDArray[np.float32] = np.einsum("bchw,bchw->bhw", given.gradient, given.activation)
    return made


CAMS.add(
    "hirescam",
    CamMethod(
        name="hirescam",
        title="HiResCAM",
        formula="M_y(i,j) = sum over channels c of (d n_y / d A_c(i,j)) A_c(i,j), n_y the logit",
        source="Draelos, Carin: Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural "
        "networks, arXiv 2011.08891",
        needs=frozenset({"gradients"}),
        compute=compute,
        signed=True,
        opposite=frozenset({1}),
    ),
)
