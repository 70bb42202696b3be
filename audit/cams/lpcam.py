"""LPCAM: where the picture looks like the local prototypes of a class, found in other pictures of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.cams import CAMS, CamInput, CamMethod, Sample
from audit.cams._arithmetic import ratio, weighted
from audit.cams._contrast import against_class_0
from audit.cams._prototypes import clustered
from audit.runtimes import by_class

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes import Head

# The authors' own numbers: clusters on and off the class, where its CAM reaches this share of its largest value, and
# which of their centers count, by the probability that the head gives them.
CLUSTERS = 12
ON_THE_CLASS = 0.1
SURELY = 0.9
PERHAPS = 0.05


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Of one class: directions [n, C] of unit length that are its own, and such as stand around it."""

    own: NDArray[np.float32]
    around: NDArray[np.float32]


def fit(sample: Sample, head: Head) -> Mapping[int, Prototypes]:
    """Prototypes by class number; a class without a picture has none."""
    return {target: found for target, seen in sample if (found := _prototypes(target, seen, head)) is not None}


def _prototypes(target: int, seen: NDArray[np.float32], head: Head) -> Prototypes | None:
    import numpy as np

    seen = seen[np.isfinite(seen).all(axis=(1, 2, 3))]
    maps = weighted(np.repeat(by_class(head.weight)[[target]], len(seen), axis=0), seen)
    on = maps > ON_THE_CLASS * np.maximum(maps.max(axis=(1, 2), keepdims=True, initial=0), 0)
    cells = seen.transpose(0, 2, 3, 1)
    own, around = clustered(cells[on], CLUSTERS), clustered(cells[~on], CLUSTERS)
    if not len(own):
        return None
    sure, perhaps = _probability(own, target, head), _probability(around, target, head)
    kept = own[sure > SURELY] if (sure > SURELY).any() else own[[int(sure.argmax())]]
    return Prototypes(_unit(kept), _unit(around[(perhaps > PERHAPS) & (perhaps < SURELY)]))


def _probability(centers: NDArray[np.float32], target: int, head: Head) -> NDArray[np.float64]:
    """What the head would say of a picture that is one center everywhere: the probability of the class, [n]."""
    import numpy as np

    logits = centers.astype(np.float64) @ against_class_0(head.weight).T + against_class_0(head.bias)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers[:, target] / powers.sum(axis=1))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    return ratio(rows, np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def compute(given: CamInput) -> NDArray[np.float32]:
    """Maps [B, h, w], signed, -1 to 1. NaN for a class of which no picture was seen."""
    import numpy as np

    batch, channels, height, width = given.activation.shape
    maps = np.full((batch, height, width), np.nan, dtype=np.float32)
    for row, target in enumerate(given.targets.tolist()):
        known = given.fitted.get(target)
        if known is not None:
            cells = _unit(given.activation[row].reshape(channels, height * width).T)
            alike = (cells @ known.own.T).mean(axis=1)
            if len(known.around):
                alike = alike - (cells @ known.around.T).mean(axis=1)
            maps[row] = alike.reshape(height, width)
    return maps


CAMS.add(
    "lpcam",
    CamMethod(
        name="lpcam",
        title="LPCAM",
        formula="M_y(i,j) = mean over prototypes F of cos(A(i,j), F) - mean over prototypes B of cos(A(i,j), B); both "
        "are centers of 12 clusters (k-means by cosine) of the cells of pictures labeled y: F of those where CAM is "
        "over 0.1 of its largest value, the head's probability of y at the center over 0.9 (the likeliest if none); "
        "B of the others, the probability 0.05 to 0.9",
        source="Chen, Sun: Extracting Class Activation Maps from Non-Discriminative Features as well, CVPR 2023, and "
        "the authors' code; here a sample of the probe set, and nothing is clipped",
        needs=frozenset({"head"}),
        compute=compute,
        signed=True,
        fit=fit,
    ),
)
