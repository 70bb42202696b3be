"""Brightness, contrast, sharpness and size of a decoded picture, before preprocessing.

This runs for every pixel of every picture, between decoding and resizing: few passes, and no BLAS, whose own threads
get in the way of the decoding ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STRIP = 262_144  # pixels looked at together, so that working memory has a bound


def measure(image: Image.Image) -> tuple[float, float, float, float]:
    """Brightness, contrast, sharpness, pixels of a picture (mode L or RGB), in the order of `measures.QUALITY`.

    On 8-bit luma (ITU-R 601, Pillow's): its mean, its standard deviation, the variance of its Laplacian
    (4-neighbor kernel, pixels that have all four neighbors), and width times height.
    """
    gray = image.convert("L")
    luma, pixels = np.asarray(gray), image.width * image.height
    counts, levels = np.array(gray.histogram(), dtype=np.float64), np.arange(256)
    mean = float(counts @ levels) / pixels
    contrast = float(np.sqrt(counts @ (levels - mean) ** 2 / pixels))
    return mean, contrast, _sharpness(luma), float(pixels)


def _sharpness(luma: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian; 0 where no pixel has four neighbors."""
    height, width = luma.shape
    inner = (height - 2) * (width - 2)
    if min(height, width) < 3:
        return 0.0
    rows = max(1, _STRIP // width)
    squares = sum(_squares(luma[top : top + rows + 2]) for top in range(0, height - 2, rows))
    mean = _laplacian_sum(luma) / inner
    return float(max(squares / inner - mean**2, 0))


def _squares(luma: NDArray[np.uint8]) -> float:
    """Sum of the squared Laplacian over all rows but the first and the last.

    The rows are taken as one long row. A pair of neighbors, above and left, is another pixel's right and below: each
    sum serves twice. Beside the border columns lies another row's end, so these are put to 0.
    """
    width = luma.shape[1]
    levels = luma.reshape(-1).astype(np.int16)
    pairs = levels[: 1 - width] + levels[width - 1 :]
    second = levels[width:-width] * np.int16(4)
    second -= pairs[: len(second)]
    second -= pairs[width + 1 :]
    second.reshape(-1, width)[:, :: width - 1] = 0
    squared = second.astype(np.float32)
    squared *= squared
    return float(squared.sum())


def _laplacian_sum(luma: NDArray[np.uint8]) -> float:
    """Sum of the Laplacian: inside, all cancels; what is left are the steps across the border."""
    steps = (
        luma[[1, -2], 1:-1].astype(np.int64) - luma[[0, -1], 1:-1],
        luma[1:-1, [1, -2]].astype(np.int64) - luma[1:-1, [0, -1]],
    )
    return float(sum(step.sum() for step in steps))
