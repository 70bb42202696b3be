"""infoCAM+: where the evidence lies that tells a class from the least likely one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import weighted
from audit.cams._contrast import against_class_0

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], signed, in logits: the mean over space is the class's logit less that of the other class that is
    least likely in this picture, bias terms left out."""
    import numpy as np

    assert given.weight is not None  # noqa: S101 `needs` promises both
    assert given.bias is not None  # noqa: S101 as above
    weight, bias = against_class_0(given.weight), against_class_0(given.bias)
    logits = given.activation.mean(axis=(2, 3), dtype=np.float64) @ weight.T + bias
    np.put_along_axis(logits, given.targets[:, None], np.inf, axis=1)  # a class is not compared with itself
    return weighted(weight[given.targets] - weight[logits.argmin(axis=1)], given.activation)


CAMS.add(
    "infocam_plus",
    CamMethod(
        name="infocam_plus",
        title="infoCAM+",
        formula="M_y(i,j) = sum over channels c of (w_{y,c} - w_{k,c}) A_c(i,j), k the class other than y with the "
        "smallest logit in this picture",
        source="Qin, Kim, Gedeon: Informative Class Activation Maps, arXiv 2106.10472",
        needs=frozenset({"head"}),
        compute=compute,
        signed=True,
        opposite=frozenset({1, 2}),
    ),
)
