"""Batches of any size through a model file whose batch size is fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pieces(images: NDArray[Any], fixed: int | None) -> Iterator[tuple[NDArray[Any], int]]:
    """The images in pieces of `fixed`, each with how many of its images are real.

    The last piece is filled up by repeating its last image: zeros could be an input that the model was never
    meant to see. With `fixed` None everything is one piece.
    """
    import numpy as np

    if fixed is None or len(images) == fixed:
        yield images, len(images)
        return
    for start in range(0, len(images), fixed):
        piece = images[start : start + fixed]
        real = len(piece)
        if real < fixed:
            piece = np.concatenate([piece, np.repeat(piece[-1:], fixed - real, axis=0)])
        yield piece, real


def run_in_batches(
    run: Callable[[NDArray[Any]], Sequence[NDArray[Any]]], images: NDArray[Any], fixed: int | None
) -> list[NDArray[Any]]:
    """`run` over all images, whatever batch size the model insists on.

    Args:
        run: one forward pass; gives arrays whose first axis is the batch.
        images: [B, ...], B at least 1.
        fixed: the only batch size that `run` takes, or None for any.

    Returns:
        The arrays of `run`, each with B rows.
    """
    import numpy as np

    parts = [[array[:real] for array in run(piece)] for piece, real in pieces(images, fixed)]
    return parts[0] if len(parts) == 1 else [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
