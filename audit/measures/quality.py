"""Picture quality: of the pictures themselves, so that a gap of the model's can be told from one of theirs."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from audit.measures import MEASURES, Context, Measure, Observed

_SOURCE = "standard; measured on the picture as it was decoded, before it is made ready for the model"
# name, title, unit, definition, formula; L is the picture's gray levels.
_ROWS = (
    (
        "brightness",
        "Brightness of the picture",
        "level",
        "How bright the picture is: its mean gray level, from 0 (black) to 255 (white).",
        "mean of L, with L the 8-bit luma 0.299 R + 0.587 G + 0.114 B of each pixel",
    ),
    (
        "contrast",
        "Contrast of the picture",
        "level",
        "How much light and dark differ in the picture: 0 where every pixel has the same gray.",
        "standard deviation of L, with L the 8-bit luma 0.299 R + 0.587 G + 0.114 B of each pixel",
    ),
    (
        "sharpness",
        "Sharpness of the picture",
        "level²",
        "How much fine detail the picture has: low where it is blurred or was enlarged, high also where it is noisy.",
        "variance over the inner pixels of 4 L − the L of the four neighbors, with L the 8-bit luma",
    ),
    (
        "pixels",
        "Size of the picture",
        "px",
        "How many pixels the picture has before it is brought to the model's size.",
        "width × height",
    ),
)


@MEASURES.register("quality")
def quality(_: Context) -> Iterator[Measure]:
    """Four measures that need no model."""
    yield from measures()


def measures() -> tuple[Measure, ...]:
    """The four, in the order of `QUALITY`."""
    return tuple(_measures())


def _measures() -> Iterator[Measure]:
    for name, title, unit, definition, formula in _ROWS:
        yield Measure(
            name=name,
            title=title,
            family="quality",
            unit=unit,
            better="none",
            definition=definition,
            formula=formula,
            source=_SOURCE,
            compute=functools.partial(_seen, name=name),
            diagnostic=True,
        )


def _seen(observed: Observed, *, name: str) -> NDArray[np.float64]:
    return observed.quality[name]
