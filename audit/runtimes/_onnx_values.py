"""From what onnxruntime gives to what a capture holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def rows(values: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs as float32; one number a picture as [B, 1], and [B, K, 1, 1] as [B, K]."""
    import numpy as np

    array = values.astype(np.float32, copy=False)
    if array.ndim == 1 or (array.ndim == 4 and array.shape[2:] == (1, 1)):
        return array.reshape(len(array), -1)
    return array


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    import numpy as np

    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def strength(values: NDArray[Any], means: NDArray[Any]) -> NDArray[np.float64]:
    """One number a picture, NaN where there is one among its values: onnxruntime passes over it when it takes the
    largest."""
    import numpy as np

    return np.where(np.isnan(means), np.nan, values).reshape(-1).astype(np.float64)


def difference(bare: NDArray[np.float32], tapped: NDArray[np.float32]) -> tuple[float, bool]:
    """Largest difference relative to the largest output (at least 1), and whether all decisions are the same."""
    import numpy as np

    both = np.isfinite(bare) & np.isfinite(tapped)
    same = bool(np.array_equal(bare[~both], tapped[~both], equal_nan=True))
    if bare.ndim == 2 and bare.shape[1] > 1:
        same = same and bool((bare.argmax(axis=1) == tapped.argmax(axis=1)).all())
    a, b = bare[both].astype(np.float64), tapped[both].astype(np.float64)
    return (float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) if a.size else 0.0), same
