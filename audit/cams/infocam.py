"""infoCAM: where the evidence lies that tells a class from the mean of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod
from audit.cams._arithmetic import weighted
from audit.cams._contrast import against_class_0

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], signed, in logits: the mean over space is the class's logit less the mean of the others', bias
    terms left out."""
    assert given.weight is not None  # noqa: S101 `needs` promises it
    weight = against_class_0(given.weight)
    others = (weight.sum(axis=0) - weight) / (len(weight) - 1)
    return weighted((weight - others)[given.targets], given.activation)


CAMS.add(
    "infocam",
    CamMethod(
        name="infocam",
        title="infoCAM",
        formula="M_y(i,j) = sum over channels c of (w_{y,c} - mean over classes k other than y of w_{k,c}) A_c(i,j)",
        source="Qin, Kim, Gedeon: Informative Class Activation Maps, arXiv 2106.10472",
        needs=frozenset({"head"}),
        compute=compute,
        signed=True,
        opposite=frozenset({1, 2}),
    ),
)
