"""A sheet to draw on: axes, pictures, scales, words in points from its top left corner, and the SVG that comes of it,
the same bytes every time."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reports import _svg
from reports._characters import drawable
from reports._numbers import MINUS
from reports._wording import shown

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

WIDTH = 306.0
COLORS = ("#2f7fc1", "#d1691c", "#16906b", "#9a63c4", "#d0487e", "#8a7a1f", "#1897a8", "#7a808a")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
FONT = 9.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """What a drawing is called: a name for its ids, a title, and the words that stand for it."""

    name: str
    title: str
    alt: str


class Sheet:
    """A figure measured in points from its top left corner."""

    def __init__(self, named: Named, height: float) -> None:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        self._named = named
        self._height = height
        self._words: dict[str, str] = {}
        self._figure = Figure(figsize=(WIDTH / 72, height / 72), frameon=False)
        FigureCanvasSVG(self._figure)
        self.svg = ""

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        box = (left / WIDTH, 1 - (top + height) / self._height, width / WIDTH, height / self._height)
        axes = self._figure.add_axes(box)
        axes.set_frame_on(False)
        axes.tick_params(labelsize=FONT - 0.5, length=0)
        axes.grid(axis="x", color=_svg.FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
        return axes

    def picture(
        self, left: float, top: float, side: float, cells: NDArray[np.float64], colors: str, least: float, most: float
    ) -> Any:
        axes = self.axes(left, top, side, side)
        axes.axis("off")
        return axes.imshow(cells, cmap=colors, vmin=least, vmax=most, interpolation="none", aspect="auto")

    def scale(self, image: Any, left: float, top: float, width: float, text: str) -> None:
        axes = self.axes(left, top, width, 8)
        least, most = image.norm.vmin, image.norm.vmax
        bar = self._figure.colorbar(image, cax=axes, orientation="horizontal", ticks=[least, (least + most) / 2, most])
        bar.outline.set_visible(False)
        axes.set_xticklabels([f"{v:.2f}".replace("-", MINUS) for v in (least, (least + most) / 2, most)])
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.tick_params(labelsize=FONT - 0.5, length=0)
        axes.set_xlabel(text, fontsize=FONT - 0.5, labelpad=1)

    def legend(self, axes: Axes, columns: int) -> None:
        self._figure.legend(
            *axes.get_legend_handles_labels(), loc="lower left", ncols=columns, frameon=False, fontsize=FONT - 0.5,
            borderaxespad=0.2, labelspacing=0.25, handlelength=2.4,
        )  # fmt: skip

    def word(self, text: str, most: int = 25) -> str:
        """`text` shortened, or a stand-in of its length when the drawing font lacks a character."""
        label = short(text, most)
        if drawable(label) == label:
            return label
        stand_in = f"{len(self._words)}".rjust(max(2, len(label)), "\u00a7")
        self._words[stand_in] = label
        return stand_in

    def finish(self) -> None:
        out = io.StringIO()
        self._figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        named = self._named
        self.svg = _svg.clean(out.getvalue(), name=named.name, title=named.title, alt=named.alt, words=self._words)


@contextlib.contextmanager
def sheet_of(named: Named, height: float) -> Iterator[Sheet]:
    """A sheet under matplotlib's own defaults, whatever the user's are; finished at the end."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": named.name,
                "text.parse_math": False,
                "font.size": FONT,
                **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _svg.INK),
            }
        )
        sheet = Sheet(named, height)
        yield sheet
        sheet.finish()


def gaps(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if v is None else v for v in values]


def short(label: str, most: int = 25) -> str:
    return shown(label, most)
