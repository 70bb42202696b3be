"""Weights drawn anew: which tensors of a network, and how. The same for every format.

Adebayo et al. (Sanity Checks for Saliency Maps, NeurIPS 2018) draw weights from the network's own initializer, layer by
layer from the top. A model file does not say what that was, so the learned entries themselves are put into a random
order: mean and spread of every tensor stay, what it has learned is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_WEIGHTS = "the file holds no weights that can be drawn anew: they are packed, or computed when it runs"


def is_weight(shape: Sequence[int], *, multiplied: bool) -> bool:
    """Whether a constant of this shape is a layer's weight.

    Args:
        shape: of the constant.
        multiplied: whether a convolution or a matrix product reads it. A single row or column is a weight there, and a
            bias or a scale anywhere else.
    """
    wide = sum(1 for n in shape if n > 1)
    return len(shape) >= 2 and wide >= (1 if multiplied else 2)


def last_places(places: Iterable[int], share: float) -> list[int]:
    """The last `share` of the layers, by where they are computed; at least the last one."""
    ordered = sorted(set(places))
    return ordered[-max(1, math.ceil(share * len(ordered) - 1e-9)) :]


def new_order(size: int, seed: int, number: int) -> NDArray[np.int64]:
    """A random order of the entries of one tensor."""
    import numpy as np

    return np.random.default_rng([seed, number]).permutation(size)
