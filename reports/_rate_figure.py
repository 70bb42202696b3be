"""The drawing of a rate over the threshold: one line a group, the operating point marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports import _svg
from reports._figures import Curve
from reports._sheet import COLORS, FONT, MARKERS, WIDTH, Named, gaps, sheet_of, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def over_threshold(
    named: Named, lines: Sequence[Curve], *, at: Sequence[float], mark: float | None, x: str, y: str
) -> str:
    """Shares over thresholds `at`, between 0 and 1; `mark` is the operating point, where it is known."""
    columns = 2 if max((len(short(c.label)) for c in lines), default=0) <= 24 else 1
    legend = 13.0 * -(-len(lines) // columns) + 4
    top, plot, foot = 18.0, 150.0, 34.0
    with sheet_of(named, top + plot + foot + legend) as sheet:
        axes = sheet.axes(44, top, WIDTH - 56, plot)
        for place, line in enumerate(lines):
            axes.plot(
                at,
                gaps(line.values),
                color=COLORS[place % len(COLORS)],
                marker=MARKERS[place % len(MARKERS)],
                markevery=(place % 3, 3),  # markers of neighboring lines don't hide one another
                linestyle=":" if line.weak else "-" if place < len(COLORS) else "--",
                markersize=4,
                linewidth=1.4,
                label=sheet.word(line.label),
            )
        _axes(axes, max((v for line in lines for v in line.values if v is not None), default=1.0), mark)
        axes.set_xlabel(sheet.word(x) if len(x) <= 25 else x, fontsize=FONT)
        axes.set_ylabel(y, fontsize=FONT)
        sheet.legend(axes, columns)
    return sheet.svg


def _axes(axes: Axes, most: float, mark: float | None) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(0, 1)
    axes.set_ylim(0, min(1.0, most * 1.06) or 1.0)
    if mark is not None:
        axes.axvline(mark, color=_svg.INK, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
        above = axes.get_xaxis_transform()
        axes.text(mark, 1.02, f"{mark:g}", ha="center", va="bottom", fontsize=FONT - 1, transform=above)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}\u00a0%"))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.grid(axis="y", color=_svg.FAINT, linewidth=0.8)
