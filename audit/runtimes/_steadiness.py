"""Whether the answer to a picture is its own: the same each time, whatever pictures are fed together with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from audit.runtimes._agreement import HALF_TOLERANCE, apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE = 1e-3  # kernels sum in another order for another batch
CHANGING = (
    "The model gives other answers when it is asked the same again: something random, such as dropout, was left on in "
    "the file. No figure of it can be repeated. Export the model in evaluation mode."
)
TOGETHER = (
    "The model's answer to a picture depends on the pictures that go in together with it (by up to {:.0e}, relative, "
    "on noise), so figures change with the order of the pictures, the batch size and, as a processor sees a batch "
    "in pieces, the number of its cores. Normalization left in training mode does that: export the model in evaluation "
    "mode. So does quantization whose scales are found as it runs."
)


def unsteady(
    answers: Callable[[Any], Sequence[NDArray[np.float32]]], pictures: Any, alike: Any, *, half: bool
) -> str | None:
    """What to tell of a model whose answers are not steady; None: they are.

    Args:
        answers: the outputs [B, ...] to a batch.
        pictures: a batch [B, ...].
        alike: another, the first picture B times.
        half: whether the model computes in half precision.
    """
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    first = answers(pictures)
    if any(apart(a, b) > tolerance for a, b in zip(first, answers(pictures), strict=True)):
        return CHANGING
    off = max((apart(a[:1], b[:1]) for a, b in zip(first, answers(alike), strict=True)), default=0.0)
    return TOGETHER.format(off) if len(pictures) > 1 and off > tolerance else None
