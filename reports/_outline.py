"""The line round the marked cells of a picture: dark on a light edge, so that it shows on any color and any page."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


def outline(axes: Axes, marked: NDArray[np.bool_], dashes: Any) -> None:
    """Draw it round the cells in `marked` [h, w] of an image that fills the axes."""
    x, y = _edges(marked)
    if not x:
        return
    limits = axes.get_xlim(), axes.get_ylim()
    axes.plot(x, y, color="#ffffff", linewidth=2.4, solid_capstyle="projecting", clip_on=False)
    axes.plot(x, y, color="#15181c", linewidth=1.2, linestyle=dashes, solid_capstyle="projecting", clip_on=False)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])


def _edges(marked: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    """Ends of every side between a marked and an unmarked cell, runs in one piece, NaN between two."""
    import numpy as np

    x: list[float] = []
    y: list[float] = []
    padded = np.pad(marked, 1).astype(np.int8)
    for turned in (False, True):
        cells = padded.T if turned else padded
        change = np.diff(cells, axis=0)[:, 1:-1]  # lines between rows
        for line, row in enumerate(change):
            # A run ends where the sides change, too: two areas that touch at a corner keep their own lines.
            cuts = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]])))
            for start, end in itertools.pairwise(cuts.tolist()):
                if row[start] != 0:
                    along, across = [start - 0.5, end - 0.5, np.nan], [line - 0.5, line - 0.5, np.nan]
                    x += across if turned else along
                    y += along if turned else across
    return x, y
