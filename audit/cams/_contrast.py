"""The linear head of one class against that of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def against_class_0(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """A head's weight or bias, one row a class. A single logit is the difference of two, of which the first is 0."""
    import numpy as np

    return np.concatenate([np.zeros_like(weight), weight]) if len(weight) == 1 else weight
