"""How far one answer of a network is off another."""

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
    return _off(whole, part, least=1e-6)


def difference(bare: NDArray[np.float32], tapped: NDArray[np.float32]) -> float:
    """Largest difference relative to the largest output, at least 1; infinite where others are not finite."""
    return _off(bare, tapped, least=1.0)


def _off(one: NDArray[np.float32], other: NDArray[np.float32], *, least: float) -> float:
    import numpy as np

    if one.shape != other.shape:
        return float("inf")
    both = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~both], other[~both], equal_nan=True):
        return float("inf")
    a, b = one[both].astype(np.float64), other[both].astype(np.float64)
    return float(np.abs(a - b).max() / max(np.abs(a).max(), least)) if a.size else 0.0
