from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from reports import _figures as figures
from reports._view import view
from tests.support import results

NAMED = figures.Named(name="fig", title="A title", alt="What it shows")


def drawings() -> dict[str, str]:
    rows = [figures.Dot(label="<b>", value=0.1, low=0.05, high=0.2, text="10 %"), figures.Dot(label="region")]
    lines = [figures.Curve(label=f"g{k}", values=(1.0, None, 0.9 - k / 100)) for k in range(3)]
    grid = np.arange(9.0).reshape(3, 3)
    return {
        "dots": figures.dots(NAMED, rows, percent=True, overall=0.12, unit="rate"),
        "curves": figures.curves(NAMED, lines, ticks=["1", "2", "3"], x="layer", y="share"),
        "maps": figures.maps(
            NAMED, [figures.GroupMap(label="a", mean=grid, difference=grid - 4, marked=grid > 5)], difference="to b"
        ),
    }


@pytest.mark.parametrize("kind", ["dots", "curves", "maps"])
def test_drawings_are_the_same_bytes_every_time(kind: str) -> None:
    assert drawings()[kind] == drawings()[kind]


@pytest.mark.parametrize("kind", ["dots", "curves", "maps"])
def test_drawings_need_no_style_and_link_only_inside_themselves(kind: str) -> None:
    svg = drawings()[kind]
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    links = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    assert ("style" not in svg, links <= ids, all(i.startswith("fig-") for i in ids)) == (True, True, True)


@pytest.mark.parametrize("kind", ["dots", "curves", "maps"])
def test_drawings_have_a_title_and_a_description(kind: str) -> None:
    root = ET.fromstring(drawings()[kind])
    told = {child.get("id"): child.text for child in root[:2]}

    assert told == {"fig-title": "A title", "fig-desc": "What it shows"}
    assert root.get("aria-labelledby") == "fig-title fig-desc"


def test_text_and_axes_take_the_color_of_the_page() -> None:
    svg = drawings()["curves"]

    assert ("currentColor" in svg, "#000000" in svg, "#010203" in svg) == (True, False, False)


def test_text_stays_text_and_keeps_what_the_drawing_font_lacks() -> None:
    row = figures.Dot(label="日本 $x$", value=0.1, low=0.0, high=0.2, text="10 %")

    assert ">日本 $x$</text>" in figures.dots(NAMED, [row], percent=True, overall=None, unit="rate")


def test_drawing_leaves_the_users_own_settings_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    drawings()

    assert dict(mpl.rcParams) == before


def test_forty_groups_fit_with_a_line_each_and_few_kilobytes() -> None:
    rows = [figures.Dot(label=f"group {k}", value=k / 50, low=0.0, high=1.0, text="x") for k in range(40)]
    svg = figures.dots(NAMED, rows, percent=True, overall=0.4, unit="rate")
    lines = sorted(float(y) for y in re.findall(r'<text x="[^"]+" y="([\d.]+)"[^>]*>group', svg))

    apart = min(b - a for a, b in itertools.pairwise(lines))

    assert (apart > figures.FONT, len(svg) < 64_000) == (True, True)


def test_a_crowd_of_curves_is_grayed_out_but_for_the_extremes() -> None:
    lines = [figures.Curve(label=f"g{k}", values=(1.0, 1 - k / 100)) for k in range(40)]
    svg = figures.curves(NAMED, lines, ticks=["1", "2"], x="layer", y="share")

    assert (">g39</text>" in svg, ">g20</text>" in svg, "the other 32 groups" in svg) == (True, False, True)


def test_every_figure_of_a_report_is_well_under_its_share() -> None:
    sizes = [len(b.svg) for s in view(results.faces(), None).every() for b in s.blocks if b.kind == "picture"]

    assert (len(sizes) <= 24, max(sizes) < 64_000) == (True, True)
