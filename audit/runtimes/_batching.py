"""Batches of any size through a model file whose batch size is fixed."""

from __future__ import annotations

from collections.abc import Iterator
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
