"""A batch in pieces: of the size that a model file has fixed, or of the size that a processor is quickest with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pieces(images: NDArray[Any], fixed: int | None, *, most: int | None = None) -> Iterator[tuple[NDArray[Any], int]]:
    """The images in pieces of `fixed`, each with how many of its images are real.

    The last piece is filled up by repeating its last image: zeros could be an input that the model was never
    meant to see. With `fixed` None the pieces have at most `most` images, and with neither everything is one piece.
    """
    import numpy as np

    size = fixed or most
    if size is None or len(images) == size:
        yield images, len(images)
        return
    for start in range(0, len(images), size):
        piece = images[start : start + size]
        real = len(piece)
        if fixed is not None and real < fixed:
            piece = np.concatenate([piece, np.repeat(piece[-1:], fixed - real, axis=0)])
        yield piece, real
