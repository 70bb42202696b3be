"""Focus: where in the picture the model found its evidence, by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from audit.result import MeanMap, Measurement
from reports import _difference_maps as difference_maps
from reports import _figures as figures
from reports import _numbers as numbers
from reports._document import Block, Picture, Section, Text
from reports._evidence import evidence
from reports._grouped import difference_table, group_tables
from reports._inside import OF_THE_LABEL
from reports._mapped import mapped
from reports._rates import dot, most_different
from reports._reading import FOCUS, Reading
from reports._regions import explained, outlined, overview
from reports._trust import head
from reports._wording import attribute_title, group_label, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_DRAWN = 4
MOST_GROUPS = 12
MOST_LINES = 48
ON_PAPER = 12  # lines of a plot: a longer one repeats its table over most of a page
FURTHER = (
    "Below, groups are compared; lift stands where they differ most. Maps of the true class, right and wrong answers "
    "by group and further measures are in tables/focus.csv."
)
WIDE = 6  # regions side by side: their names are short


def focus(reading: Reading) -> Section | None:
    """Mean maps beside their difference to everybody's, then the share of relevance in each region."""
    mass = tuple(m for m in reading.focus("relevance_mass") if m.overall.n)
    maps = {m.attribute: m for m in reversed(reading.result.mean_maps) if m.target == FOCUS["target"]}
    if not mass and not maps:
        return None
    leading = max(mass, key=lambda m: sum(d.low or 0.0 for d in m.disparities if d.kind == "difference"), default=None)
    drawn = most_different(reading, leading, MOST_DRAWN) if leading else tuple(maps)[:MOST_DRAWN]
    sections = [
        Section(
            id=f"focus-{place}",
            title=f"By {attribute_title(attribute)}",
            blocks=tuple(_blocks(reading, attribute, mass, maps.get(attribute), place, draw=attribute in drawn)),
        )
        for place, attribute in enumerate(reading.attributes, 1)
        if attribute in maps or any(m.groups(attribute) for m in mass)
    ]
    wrong = difference_maps.of_attribute(reading, difference_maps.DECISION)
    if wrong:
        about = tuple(difference_maps.blocks(reading, wrong, "maps-wrong"))
        sections.append(Section(id="focus-wrong", title="Wrong against right answers", blocks=about))
    return Section(id="focus", title="Focus", blocks=tuple(_intro(reading, mass)), sections=tuple(sections))


def _intro(reading: Reading, mass: Sequence[Measurement]) -> Iterator[Block]:
    methods = list(dict.fromkeys(m.parameters.get("cam", "") for m in mass)) or list(
        dict.fromkeys(m.cam for m in reading.result.mean_maps)
    )
    yield from explained(reading, methods)
    yield head(reading)
    if reading.result.difference_maps:
        yield Text(difference_maps.OF_THE_ANSWER)
    for sentence in mapped(reading):
        yield Text(sentence)
    yield from outlined(reading, mass)
    whole = overview(reading, mass)
    if whole is not None:
        yield whole
    yield from evidence(reading)
    yield Text(FURTHER, role="small")
    if reading.result.probe.get("aligned") == "landmarks":
        yield Text(
            "In the mean maps below, faces are laid over each other by their landmarks: shifted, turned and zoomed."
        )
    table = difference_table(reading, mass, "Differences in relevance mass between groups")
    if table is not None:
        yield table


def _blocks(
    reading: Reading, attribute: str, mass: Sequence[Measurement], found: MeanMap | None, place: int, *, draw: bool
) -> Iterator[Block]:
    if reading.label in attribute.split("*"):
        yield Text(OF_THE_LABEL, role="small")
    apart = difference_maps.of_attribute(reading, attribute)
    if apart:
        yield from difference_maps.blocks(reading, apart, f"maps{place}", draw=draw)
    elif found is not None and draw and (picture := _maps(found, f"maps{place}")) is not None:
        yield picture
    having = [m for m in mass if m.groups(attribute)]
    if having and draw:
        yield _regions(reading, having, attribute, f"focus{place}")
    yield from group_tables(reading, having, attribute, "Relevance mass", WIDE)
    if draw:
        yield from group_tables(reading, reading.focus("lift"), attribute, "Lift", WIDE)


def _maps(found: MeanMap, name: str) -> Picture | None:
    """Mean map of each group and its difference to that of all images of these groups together."""
    count = int(found.counts.sum())
    if count == 0:
        return None
    cells = found.sums.shape[2] * found.sums.shape[3]
    everybody = found.sums.sum(axis=(0, 1)) / count
    pictured = []
    for place, attributes in enumerate(found.groups[:MOST_GROUPS]):
        mean: NDArray[np.float64] | None = found.mean(place)
        if mean is not None:
            pictured.append(
                figures.GroupMap(
                    label=group_label(attributes),
                    below=numbers.plural(int(found.counts[place].sum()), "image"),
                    mean=mean * cells,
                    difference=(mean - everybody) * cells,
                )
            )
    title = f"Mean map by {attribute_title(found.attribute)}"
    alt = (
        f"{title}: for each of {len(pictured)} groups the mean class activation map of the {found.target} class, and "
        "its difference to that of all groups together. The numbers are in the tables of this section."
    )
    rest = f" The first {MOST_GROUPS} of {len(found.groups)} groups." if len(found.groups) > MOST_GROUPS else ""
    size = f"{found.sums.shape[2]} × {found.sums.shape[3]}"
    caption = (
        f"{title}: above the mean map, beneath it its difference to all groups together. One square is "
        f"one of the {size} cells of the network's own map.{rest}"
    )
    svg = figures.maps(figures.Named(name=name, title=title, alt=alt), pictured, difference="difference to all groups")
    return Picture(name=name, caption=caption, alt=alt, svg=svg)


def _regions(reading: Reading, mass: Sequence[Measurement], attribute: str, name: str) -> Picture:
    """Relevance mass with intervals, a block a region; the regions that differ most where not all fit."""
    size = len(mass[0].groups(attribute)) + 1
    most = max(1, MOST_LINES // size)

    def apart(measurement: Measurement) -> float:
        gap = measurement.disparity(attribute)
        return -(gap.low or 0.0) if gap else 0.0

    kept = sorted(mass, key=apart)[:most]
    rows: list[figures.Dot] = []
    for measurement in (m for m in mass if m in kept):
        rows.append(figures.Dot(label=shown(measurement.parameters.get("region", ""))))
        rows += [dot(measurement, g) for g in measurement.groups(attribute)[: MOST_LINES - 1]]
    title = f"Relevance mass by region and {attribute_title(attribute)}"
    alt = f"{title}, with intervals. The numbers are in the table below."
    svg = figures.dots(
        figures.Named(name=name, title=title, alt=alt), rows, percent=True, overall=None, unit="share of the map"
    )
    some = f" The {len(kept)} of {len(mass)} regions that differ most." if len(kept) < len(mass) else ""
    caption = f"{title}: share of the map inside the region, with {reading.level} intervals.{some}"
    return Picture(name=name, caption=caption, alt=alt, svg=svg, paper=len(rows) <= ON_PAPER)
