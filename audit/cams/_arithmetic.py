"""What the methods' formulas have in common. Activations are [B, C, h, w], weights of channels [B, C]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def weighted(weight: NDArray[np.floating[Any]], activation: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sum of the channels, each with its weight: [B, h, w]."""
    import numpy as np

    batch, channels, height, width = activation.shape
    flat = activation.reshape(batch, channels, height * width)
    summed: NDArray[np.float32] = np.matmul(weight.astype(np.float32)[:, None], flat)
    return summed.reshape(batch, height, width)


def positive(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """What speaks for the class: a ReLU, but for what is not finite, which is no map."""
    import numpy as np

    return np.where(np.isfinite(maps), np.maximum(maps, np.float32(0)), np.float32(np.nan))


def ratio(part: NDArray[np.floating[Any]], whole: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Part over whole, 0 where there is no whole."""
    import numpy as np

    part, whole = np.broadcast_arrays(part, whole)
    found: NDArray[np.floating[Any]] = np.divide(part, whole, out=np.zeros(part.shape, part.dtype), where=whole != 0)
    return found
