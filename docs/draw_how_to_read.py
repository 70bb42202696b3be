"""Makes docs/how_to_read.md and its pictures: every one is a small simulation with the tool's own intervals.

    python docs/draw_how_to_read.py

The same bytes every time. The text is `templates/how_to_read.md`, which the report shows, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audit.statistics.couples import Overlap
from audit.statistics.disparity import Pairs
from audit.statistics.estimates import Cells, Groups, Rates, interval
from reports._how_to_read import page, verdicts_picture
from reports._sheet import COLORS

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "images" / "how_to_read"
RATE = 0.1
BLUE, ORANGE, GRAY = COLORS[0], COLORS[1], "#6b737c"

Values = NDArray[np.float64]


def answers(seed: int, runs: int, people: int, pictures: int = 1, alike: float = 0.0) -> Values:
    """Right (0) and wrong (1) answers [people x pictures, runs] at a rate of 10 %; `alike` is how much the pictures of
    one person resemble each other (intra-class correlation)."""
    rng = np.random.default_rng(seed)
    scale = 1 / alike - 1 if alike else None
    rate = (
        np.full((people, runs), RATE) if scale is None else rng.beta(RATE * scale, (1 - RATE) * scale, (people, runs))
    )
    return (rng.random((people, pictures, runs)) < rate[:, None]).astype(float).reshape(people * pictures, runs)


def rates(values: Values, people: int, groups: int = 1) -> Rates:
    """The rates of equal groups, as the audit makes them: [groups, runs]."""
    items = len(values)
    codes, subjects = np.repeat(np.arange(groups), items // groups), np.repeat(np.arange(people), items // people)
    seen = Groups.of(Cells(codes, subjects, groups), values, np.ones_like(values))
    return Rates.of(seen, np.ones(seen.mean.shape, dtype=bool))


def held(low: Values, high: Values) -> NDArray[np.bool_]:
    return (low <= RATE) & (high >= RATE)


def by_picture_and_by_person(runs: int) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
    """Intervals [runs] of 40 people with 10 pictures each: pictures taken for people, and people."""
    values = answers(3, runs, 40, 10, alike=0.5)
    wrongly, rightly = rates(values, 400), rates(values, 40)
    (a, b), (c, d) = interval(wrongly, 0.05), interval(rightly, 0.05)
    return (a[0], b[0]), (c[0], d[0])


def gaps(runs: int) -> tuple[Values, Values]:
    """The gap seen and the lower end of its interval [runs], for eight groups of 100 people that are alike."""
    found = rates(answers(5, runs, 800), 800, groups=8)
    apart = np.zeros((8, 8, runs))
    gap = Pairs(found, Overlap(correlation=apart, shared=apart > 0), 0.05).difference()
    return gap.value, gap.low


def comparisons(count: int) -> tuple[Values, Values, Values]:
    """Differences [count] of two groups of 300 people that are alike, with their intervals, sorted."""
    found = rates(answers(7, count, 600), 600, groups=2)
    apart = np.zeros((2, 2, count))
    pair = Pairs(found, Overlap(correlation=apart, shared=apart > 0), 0.05).differences()
    order = np.argsort(pair.value[0])
    return pair.value[0][order], pair.low[0][order], pair.high[0][order]


def draw_intervals(axes: Any) -> None:
    found = rates(answers(19, 20, 150), 150)
    _lines(axes[0], found.value[0], *(end[0] for end in interval(found, 0.05)))
    axes[0].set_xlabel("wrong answers; each line is the interval of one probe set of 150 people")
    axes[0].text(RATE, -1.2, "true rate", ha="center", va="bottom")


def draw_people(axes: Any) -> None:
    values = answers(3, 20, 40, 10, alike=0.5)
    for one, subjects, title in zip(axes, (400, 40), ("made from pictures", "made from people"), strict=True):
        found = rates(values, subjects)
        _lines(one, found.value[0], *(end[0] for end in interval(found, 0.05)))
        one.set_title(title, fontsize=10)
        one.set_xlim(-0.01, 0.36)
        one.set_xlabel("wrong answers")


def draw_gap(axes: Any) -> None:
    seen, _ = gaps(2000)
    axes[0].hist(100 * seen, bins=np.arange(-0.5, 22.5), color=BLUE, edgecolor="white")
    axes[0].axvline(0, color=ORANGE, linewidth=1.6, linestyle=(0, (3, 3)))
    axes[0].text(0.25, axes[0].get_ylim()[1] * 0.96, "the true difference: 0", color="#9c4a0d", va="top")
    axes[0].set_xlim(-1, 22)
    axes[0].set_xlabel("largest minus smallest of eight groups that are alike, in points")
    axes[0].set_ylabel("probe sets of 2,000")


def draw_many(axes: Any) -> None:
    value, low, high = comparisons(100)
    off = (low > 0) | (high < 0)
    for place, (a, b) in enumerate(zip(100 * low, 100 * high, strict=True)):
        axes[0].plot([place, place], [a, b], color=ORANGE if off[place] else BLUE, linewidth=2.4 if off[place] else 1.2)
    axes[0].plot(np.arange(len(value)), 100 * value, ".", color="black", markersize=2.5)
    axes[0].axhline(0, color=GRAY, linewidth=1, linestyle=(0, (3, 3)))
    axes[0].set_xlabel(f"100 comparisons of groups that are alike: {off.sum()} intervals do not hold 0")
    axes[0].set_ylabel("difference, in points")
    axes[0].set_xticks([])


def _lines(axes: Any, value: Values, low: Values, high: Values) -> None:
    """One interval a line, in orange where it misses the true rate."""
    from matplotlib.ticker import MultipleLocator, PercentFormatter

    for place, missed in enumerate(~held(low, high)):
        color = ORANGE if missed else BLUE
        axes.plot([low[place], high[place]], [place, place], color=color, linewidth=2.2 if missed else 1.5)
        axes.plot(value[place], place, "s" if missed else "o", color=color, markersize=4.5)
    axes.axvline(RATE, color=GRAY, linewidth=1, linestyle=(0, (3, 3)))
    axes.set_ylim(len(value) - 0.3, -1)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MultipleLocator(0.05))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def save(name: str, draw: Callable[[Any], None], columns: int = 1, height: float = 3.2) -> None:
    """One SVG on white, with its text as text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9.5})
        figure = Figure(figsize=(6.6, height), layout="constrained", facecolor="white")
        axes = figure.subplots(1, columns, squeeze=False)[0]
        draw(axes)
        for one in axes:
            one.spines[["top", "right", "left"]].set_visible(False)
        figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None, "Creator": None})


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    text = page()
    save("intervals", draw_intervals)
    save("people", draw_people, columns=2)
    save("gap", draw_gap)
    save("many", draw_many)
    alt = re.search(r"!\[([^\]]*)\]\([^)]*verdicts.svg\)", text)
    picture = verdicts_picture(alt[1] if alt else "").svg
    (PICTURES / "verdicts.svg").write_text(picture.replace("<svg ", '<svg style="background:#fff;color:#000" ', 1))
    (HERE / "how_to_read.md").write_text(text, encoding="utf-8")
    for low, high in by_picture_and_by_person(2000):
        print(f"40 people, 10 pictures each: the true rate is held {100 * held(low, high).mean():.1f} times in 100")
    seen, low = gaps(2000)
    ends = f"{100 * seen.min():.1f} to {100 * seen.max():.1f}"
    print(f"eight groups that are alike: the gap is {100 * np.median(seen):.1f} points in the middle, {ends} in all")
    print(f"the lower end of its interval is 0 in {100 * (low == 0).mean():.1f} of 100")


if __name__ == "__main__":
    main()
