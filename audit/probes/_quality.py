"""Brightness, contrast, sharpness and size of a decoded picture, before preprocessing."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_STRIP = 131_072  # pixels looked at together: what is needed for them stays in the processor's cache


class _Scratch(threading.local):
    """Working memory of a thread. Getting it anew for each picture costs more than filling it."""

    def __init__(self) -> None:
        self.levels = np.empty(0, dtype=np.int16)
        self.second = np.empty(0, dtype=np.int16)
        self.floats = np.empty(0, dtype=np.float32)

    def grow(self, size: int) -> None:
        if len(self.levels) < size:
            self.levels, self.second = np.empty(size, np.int16), np.empty(size, np.int16)
            self.floats = np.empty(size, np.float32)


_scratch = _Scratch()


def quality(image: Image.Image) -> tuple[float, float, float, float]:
    """Brightness, contrast, sharpness, pixels of a picture (mode L or RGB), in the order of `measures.QUALITY`.

    On 8-bit luma (ITU-R 601, Pillow's): its mean, its standard deviation, the variance of its Laplacian
    (4-neighbor kernel, pixels that have all four neighbors), and width times height.
    """
    luma = np.asarray(image.convert("L"))
    height, width = luma.shape
    pixels, inner = height * width, max(height - 2, 0) * max(width - 2, 0)
    rows = max(1, _STRIP // width)
    # Sums of squares are taken about a rough mean: about 0 they would drown the contrast of a flat picture.
    about = np.int16(luma[:: max(1, height // 16), :: max(1, width // 16)].mean())
    sums = np.zeros(3)
    for top in range(0, height, rows):
        sums += _strip(luma[top : top + rows + 2], min(rows, height - top), about)
    mean = sums[0] / pixels
    sharpness = sums[2] / inner - (_laplacian_sum(luma) / inner) ** 2 if inner else 0.0
    return mean + float(about), float(np.sqrt(max(sums[1] / pixels - mean**2, 0))), max(sharpness, 0.0), float(pixels)


def _strip(luma: NDArray[np.uint8], own: int, about: np.int16) -> NDArray[np.float64]:
    """Sum and sum of squares of luma - about over the strip's own rows, and sum of its Laplacian's squares."""
    width, size = luma.shape[1], luma.size
    _scratch.grow(size)
    levels, floats = _scratch.levels[:size], _scratch.floats[: own * width]
    np.subtract(luma.reshape(-1), about, out=levels, dtype=np.int16)
    floats[...] = levels[: own * width]
    sums = np.array([floats.sum(), np.dot(floats, floats), 0.0], dtype=np.float64)
    inside = size - 2 * width
    if inside > 0:
        # One long row: neighbors left and right run over its ends there, so both border columns are put to 0.
        second = np.multiply(levels[width:-width], np.int16(4), out=_scratch.second[:inside])
        second -= levels[: -2 * width]
        second -= levels[2 * width :]
        second[1:] -= levels[width : -width - 1]
        second[:-1] -= levels[width + 1 : -width]
        second.reshape(-1, width)[:, :: max(width - 1, 1)] = 0
        floats = _scratch.floats[:inside]
        floats[...] = second
        sums[2] = np.dot(floats, floats)
    return sums


def _laplacian_sum(luma: NDArray[np.uint8]) -> float:
    """Sum of the Laplacian: inside, all cancels; what is left are the steps across the border."""
    steps = (
        luma[[1, -2], 1:-1].astype(np.int64) - luma[[0, -1], 1:-1],
        luma[1:-1, [1, -2]].astype(np.int64) - luma[1:-1, [0, -1]],
    )
    return float(sum(step.sum() for step in steps))
