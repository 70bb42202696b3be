"""From what onnxruntime gives to what a capture holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audit.runtimes._onnx_onward import Piece


def rows(values: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs as float32; one number a picture as [B, 1], and [B, K, 1, 1] as [B, K]."""
    import numpy as np

    array = values.astype(np.float32, copy=False)
    if array.ndim == 1 or (array.ndim == 4 and array.shape[2:] == (1, 1)):
        return array.reshape(len(array), -1)
    return array


def whole(pieces: Sequence[Piece], name: str) -> NDArray[Any]:
    """A value of all pieces of a batch, without the rows that only fill one up."""
    import numpy as np

    parts = [piece.values[name][: piece.real] for piece in pieces]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def strength(values: NDArray[Any], means: NDArray[Any]) -> NDArray[np.float64]:
    """One number a picture, NaN where there is one among its values: onnxruntime passes over it when it takes the
    largest."""
    import numpy as np

    return np.where(np.isnan(means), np.nan, values).reshape(-1).astype(np.float64)
