"""How far the logits of a part of a network are off those of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE = 1e-4
HALF_TOLERANCE = 1e-2  # float16 carries three digits; a number rounded the other way in int8 is further off
FUSED_TOLERANCE = 1e-1  # of networks in int8 once onnxruntime computes in one piece what the file rounds in between


def apart(whole: NDArray[np.float32], part: NDArray[np.float32]) -> float:
    """Largest difference relative to the largest logit; infinite where others are not finite."""
    import numpy as np

    if whole.shape != part.shape:
        return float("inf")
    both = np.isfinite(whole) & np.isfinite(part)
    if not np.array_equal(whole[~both], part[~both], equal_nan=True):
        return float("inf")
    a, b = whole[both].astype(np.float64), part[both].astype(np.float64)
    return float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-6)) if a.size else 0.0
