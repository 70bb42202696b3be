"""Drawings: dots with intervals, curves over depth, maps by group. Matplotlib, as SVG, the same bytes every time.

All are as wide as a phone (306 points), so that text keeps its size there. Colors are told apart by color-blind eyes
and show on white and on black; groups differ by marker as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports import _svg
from reports._outline import outline
from reports._sheet import COLORS, FONT, MARKERS, WIDTH, Named, Sheet, gaps, sheet_of, short

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Curve", "Dot", "GroupMap", "Named", "Spans", "curves", "dots", "maps"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """A line of a dot plot; without a value a heading. `text` is the value as it is printed everywhere else."""

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    text: str = ""
    weak: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    label: str
    values: tuple[float | None, ...]
    weak: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spans:
    """One value a place with its interval; `marks` are values to compare it with, drawn as dashes."""

    label: str
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    marks: tuple[float | None, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GroupMap:
    """Mean map of a group and its difference to what it is compared with, float64 [h, w]; 1 is an even spread.

    `below` is a second line of the label; cells in `marked`, bool [h, w], are outlined.
    """

    label: str
    mean: NDArray[np.float64]
    difference: NDArray[np.float64]
    below: str = ""
    marked: NDArray[np.bool_] | None = None


def dots(
    named: Named, rows: Sequence[Dot], *, percent: bool, overall: float | None, unit: str, mark: str = "all"
) -> str:
    """Values with intervals, one line each; hollow and gray where only indicative; dashed: all images together, or
    what `mark` says."""
    left = min(136.0, 14 + 5.0 * max(len(short(r.label)) for r in rows))
    right, top, bottom, step = 46.0, 16.0, 30.0, 14.0
    height = top + bottom + step * len(rows)
    with sheet_of(named, height) as sheet:
        axes = sheet.axes(left, top, WIDTH - left - right, step * len(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        for place, row in enumerate(rows):
            _dot(sheet, axes, place, row)
        ends = [v for r in rows for v in (r.value, r.high) if v is not None] + ([overall] if overall else [])
        starts = [v for r in rows for v in (r.value, r.low) if v is not None]
        most, least = max(ends, default=1.0), min(0.0, *starts) if starts else 0.0
        axes.set_xlim(least, min(1.0, most * 1.06) if percent else most * 1.06 or 1.0)
        if overall is not None:
            axes.axvline(overall, color=_svg.INK, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
            axes.text(overall, -0.75, mark, ha="center", va="bottom", fontsize=FONT - 1)
        _scale(axes, percent=percent)
        axes.set_xlabel(unit, fontsize=FONT)
    return sheet.svg


def _dot(sheet: Sheet, axes: Axes, place: int, row: Dot) -> None:
    text: dict[str, Any] = {"va": "center", "fontsize": FONT, "transform": axes.get_yaxis_transform()}
    if row.value is None:
        axes.text(
            -0.02, place, sheet.word(row.label), ha="right", fontweight="bold" if not row.text else "normal", **text
        )
        axes.text(1.03, place, row.text, ha="left", **text)
        return
    color = COLORS[7] if row.weak else COLORS[0]
    axes.text(-0.02, place, sheet.word(row.label), ha="right", **text)
    axes.text(1.03, place, row.text, ha="left", **text)
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    axes.plot([row.value], [place], "o", color=color, markersize=5, fillstyle="none" if row.weak else "full")


def _scale(axes: Axes, *, percent: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    if percent:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g}\u00a0%"))


def curves(
    named: Named, lines: Sequence[Curve], *, ticks: Sequence[str], x: str, y: str, below: Spans | None = None
) -> str:
    """One line a group over depth. With more groups than colors the ones that end lowest and highest are colored.
    What is `below` stands under the lines, over the same depth."""
    bright, pale = _chosen(lines)
    columns = 2 if max((len(short(c.label)) for c in bright), default=0) <= 24 else 1
    legend = 13.0 * -(-(len(bright) + bool(pale)) // columns) + 4
    top, plot, foot = 8.0, 150.0, 34.0
    under = 96.0 if below else 0.0
    with sheet_of(named, top + plot + under + foot + legend) as sheet:
        axes = sheet.axes(44, top, WIDTH - 56, plot)
        for line in pale:
            axes.plot(range(len(ticks)), gaps(line.values), color=COLORS[7], linewidth=0.7, alpha=0.5)
        for place, line in enumerate(bright):
            axes.plot(
                range(len(ticks)),
                gaps(line.values),
                color=COLORS[place % len(COLORS)],
                marker=MARKERS[place % len(MARKERS)],
                linestyle=":" if line.weak else "-" if place < len(COLORS) else "--",
                markersize=4.5,
                linewidth=1.4,
                label=sheet.word(line.label),
            )
        if pale:
            axes.plot([], [], color=COLORS[7], linewidth=0.7, alpha=0.5, label=f"the other {len(pale)} groups")
        least = min((v for c in lines for v in c.values if v is not None), default=1.0)
        axes.set_ylim(min(0.9, least - 0.03), max(1.02, *(v for c in lines for v in c.values if v is not None)))
        _over_depth(axes, [""] * len(ticks) if below else ticks, y)
        lowest = axes
        if below:
            lowest = sheet.axes(44, top + plot + 14, WIDTH - 56, under - 14)
            _spans(lowest, below)
            _over_depth(lowest, ticks, below.label)
        lowest.set_xlabel(x, fontsize=FONT)
        sheet.legend(axes, columns)
    return sheet.svg


def _over_depth(axes: Axes, ticks: Sequence[str], y: str) -> None:
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlim(-0.25, len(ticks) - 0.75)
    axes.set_ylabel(y, fontsize=FONT)
    axes.grid(axis="y", color=_svg.FAINT, linewidth=0.8)


def _spans(axes: Axes, spans: Spans) -> None:
    for place, (low, high, mark) in enumerate(zip(spans.low, spans.high, spans.marks, strict=True)):
        if low is not None and high is not None:
            axes.plot([place, place], [low, high], color=_svg.INK, linewidth=1.6, solid_capstyle="butt")
        if mark is not None:
            axes.plot([place - 0.22, place + 0.22], [mark, mark], color=_svg.INK, linewidth=1.4)
    sure = any(v is not None for v in spans.low)
    axes.plot(
        range(len(spans.values)), gaps(spans.values), "o", color=_svg.INK, markersize=4.5,
        fillstyle="full" if sure else "none",
    )  # fmt: skip
    seen = [v for v in (*spans.values, *spans.low, *spans.marks) if v is not None]
    axes.set_ylim(min(0.9, *seen, 1.0) - 0.03, 1.02)


def _chosen(lines: Sequence[Curve], most: int = 12) -> tuple[list[Curve], list[Curve]]:
    """Lines to color and lines to gray out, both in the order given."""
    if len(lines) <= most:
        return list(lines), []
    ranked = sorted(lines, key=lambda c: next((v for v in reversed(c.values) if v is not None), 0.0))
    kept = {id(c) for c in (*ranked[:5], *ranked[-3:])}
    return [c for c in lines if id(c) in kept], [c for c in lines if id(c) not in kept]


def maps(named: Named, groups: Sequence[GroupMap], *, difference: str) -> str:
    """Two maps a group: the mean, and beneath it its difference, to what `difference` says. All share both scales."""
    import numpy as np

    most = max(float(g.mean.max()) for g in groups)
    apart = max(float(np.abs(g.difference).max()) for g in groups) or 1.0
    across = 5 if len(groups) % 5 == 0 else 4
    lines = [(*group.label.split(" · "), group.below) for group in groups]
    rows, deep = -(-len(groups) // across), max(map(len, lines))
    block, gap, head, width = WIDTH / across, 5.0, 10.0 * deep + 4, 142.0
    side = block - 6
    row = 2 * side + head + 2 * gap
    with sheet_of(named, rows * row + 46.0) as sheet:
        for place, group in enumerate(groups):
            left, top = block * (place % across) + 3, row * (place // across) + head
            first = sheet.picture(left, top, side, group.mean, "viridis", 0.0, most)
            second = sheet.picture(left, top + side + gap, side, group.difference, "PuOr_r", -apart, apart)
            for up, text in enumerate(reversed(lines[place])):
                first.axes.text(
                    0, 1 + (3 + 10 * up) / side, sheet.word(text, 14), transform=first.axes.transAxes,
                    fontsize=FONT - (0.5 if up else 1.5),
                )  # fmt: skip
            if group.marked is not None:
                outline(second.axes, group.marked & (group.difference > 0), "-")
                outline(second.axes, group.marked & (group.difference < 0), (0, (1.6, 1.2)))
        foot = rows * row + 8
        sheet.scale(first, 4, foot, width, "mean: 1 is an even spread")
        sheet.scale(second, WIDTH / 2 + 4, foot, width, difference)
    return sheet.svg
