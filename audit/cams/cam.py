"""CAM: exact where the head is a global average pool and a linear layer, for then the logit is a sum over cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import weighted
from audit.runtimes import by_class

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], signed: a cell that speaks against the class is negative. Their mean over space plus the bias
    is the logit."""
    assert given.weight is not None  # noqa: S101 `needs` promises it
    return weighted(by_class(given.weight)[given.targets], given.activation)


CAMS.add(
    "cam",
    CamMethod(
        name="cam",
        title="CAM",
        formula="M_y(i,j) = sum over channels c of w_{y,c} A_c(i,j)",
        source="Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning Deep Features for Discriminative Localization, "
        "CVPR 2016",
        needs=frozenset({"head"}),
        compute=compute,
        signed=True,
        opposite=frozenset({1}),
    ),
)
