"""Difference maps: where in the picture the maps of a group lie elsewhere, drawn, in a table and in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import DifferenceMap
from reports import _figures as figures
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Finding, Picture, Table, Text
from reports._places import Place, places
from reports._reading import Reading, group
from reports._trust import read_off
from reports._wording import attribute_title, capital, group_label, group_phrase, joined, measure_title, shown

DECISION = "decision"  # what the record calls the attribute of wrong against right answers
MOST_GROUPS = 12
OF_THE_ANSWER = (
    "Maps are of the answer that was given: where a group is given another answer more often, that alone moves its "
    "mean map."
)
_PARTS = "A place is a third of the picture down or across, or one of the nine parts that these make, in whole cells."


def of_attribute(reading: Reading, attribute: str) -> tuple[DifferenceMap, ...]:
    return tuple(m for m in reading.result.difference_maps if m.attribute == attribute)


def blocks(reading: Reading, maps: Sequence[DifferenceMap], name: str, *, draw: bool = True) -> Iterator[Block]:
    """The clearest difference in a sentence, the drawing, and what it shows as a table; undrawn, a table at least."""
    clearest = strongest(reading, maps)
    if clearest is None and not draw:
        return
    yield Text(sentence(reading, clearest) if clearest else _nothing(reading, maps))
    if draw:
        yield _picture(reading, maps, name)
    yield _table(reading, maps)


def strongest(reading: Reading, maps: Sequence[DifferenceMap]) -> DifferenceMap | None:
    """The one with marked cells whose parts differ most; of two groups, which mirror each other, the first."""
    marked = [m for m in maps if m.marked(reading.alpha).any()]
    return max(marked, key=lambda m: round(moved(reading, m), 9), default=None)


def moved(reading: Reading, found: DifferenceMap) -> float:
    """By how much the share of the part of the picture differs that differs most."""
    return max((abs(p.gain) for p in places(found, found.marked(reading.alpha)) if p is not None), default=0.0)


def sentence(reading: Reading, found: DifferenceMap) -> str:
    """`On pictures of black women the model looks more at the upper left … than on pictures of other women: …`.

    A part of the picture is named with its own share, never with that of the cells that were chosen for differing.
    """
    marked = found.marked(reading.alpha)
    gained, lost = places(found, marked)
    there = iter((" of the relevance lies there",))
    said = [
        f"{how} at {part.name} ({numbers.percent(part.mean)}{next(there, '')}, not {numbers.percent(part.rest)})"
        for how, part in (("more", gained), ("less", lost))
        if part is not None
    ]
    who, others = _sides(reading, found)
    looks = f"looks {joined(said)}" if said else "looks elsewhere here and there"
    differ = "differs" if marked.sum() == 1 else "differ"
    return (
        f"{capital(who)} the model {looks}, compared with {others}. Of the {marked.size} cells of the map "
        f"{int(marked.sum())} {differ} by more than chance (p {numbers.p(found.p_value)})."
    )


def finding(reading: Reading, caveat: str) -> Iterator[Finding]:
    """One for all attributes but the label's own, whose maps differ by what the model is made for: the group whose maps
    lie furthest elsewhere, among those that still stand out after the adjustment over the attributes."""
    found: dict[str, DifferenceMap] = {}
    for attribute in reading.attributes:
        own = [m for m in of_attribute(reading, attribute) if (m.p_adjusted or 0.0) < reading.alpha]
        clearest = strongest(reading, own)
        if clearest is not None and attribute != reading.label:
            found[attribute] = clearest
    ranked = sorted(found.values(), key=lambda m: -moved(reading, m))
    if not ranked:
        return
    also = (f"Also: {sentence(reading, m)}" for m in ranked[1:2])
    details = (caveat, OF_THE_ANSWER, *_errors(reading, ranked[0]), *also)
    told = Finding(topic="Focus", level="clear", sentence=sentence(reading, ranked[0]), details=details)
    yield read_off(reading, told)


def _errors(reading: Reading, found: DifferenceMap) -> Iterator[str]:
    """The error rate of that group beside everybody's: what a map can't tell."""
    own = group(reading.errors, found.group) if reading.errors else None
    if reading.errors and own is not None and own.value is not None and reading.errors.overall.value is not None:
        yield (
            f"{measure_title(reading.errors)}: {numbers.percent(own.value)} of the "
            f"{group_phrase(own.attributes, reading.label)}, {numbers.percent(reading.errors.overall.value)} overall."
        )


def _nothing(reading: Reading, maps: Sequence[DifferenceMap]) -> str:
    least = min((m.p_value for m in maps if m.p_value is not None), default=None)
    if least is None:
        return f"Too few subjects to say where maps differ: a group needs at least {reading.fewest} of them."
    return f"No cell differs by more than chance (smallest p {numbers.p(least)})."


def _sides(reading: Reading, found: DifferenceMap) -> tuple[str, str]:
    """Whose pictures, and what they are compared with."""
    if found.attribute == DECISION:
        answer = shown(found.group[DECISION])
        said = "" if answer == "any" else f" “{answer}”"
        return f"on pictures with a wrong answer{said}", "pictures where that answer is right"
    others = [m.group for m in of_attribute(reading, found.attribute) if not m.indicative and m.group != found.group]
    rest = f"pictures of the other groups of {attribute_title(found.attribute)}"
    if found.against == "same label":
        label = {reading.label: found.group[reading.label]}
        rest = f"pictures of other {group_phrase(label, reading.label)}"
    elif len(others) == 1:
        rest = _pictures(group_phrase(others[0], reading.label))
    return f"on {_pictures(group_phrase(found.group, reading.label))}", rest


def _pictures(phrase: str) -> str:
    return phrase.replace("images", "pictures", 1) if phrase.startswith("images") else f"pictures of {phrase}"


def _picture(reading: Reading, maps: Sequence[DifferenceMap], name: str) -> Picture:
    first = maps[0]
    height, width = first.mean.shape
    cells = first.mean.size
    pictured = [
        figures.GroupMap(
            label=group_label(m.group),
            below=numbers.plural(m.n, "image"),
            mean=m.mean * cells,
            difference=m.difference * cells,
            marked=m.marked(reading.alpha),
        )
        for m in maps[:MOST_GROUPS]
    ]
    decision = first.attribute == DECISION
    title = "Wrong answers: mean map" if decision else f"Mean map by {attribute_title(first.attribute)}"
    against = {"right": "right answers", "same label": f"others, same {shown(reading.label)}"}.get(first.against)
    against = against or "the other groups"
    rest = f" The first {MOST_GROUPS} of {len(maps)} groups." if len(maps) > MOST_GROUPS else ""
    some = any(m.marked(reading.alpha).any() for m in maps)
    marks = (
        f"Outlined cells differ by more than chance (p below {reading.alpha:g} for all cells and groups together): "
        "a solid line where there is more relevance, a dashed one where there is less."
        if some
        else "No cell differs by more than chance."
    )
    caption = (
        f"{title}{_sample(reading, maps)}; beneath it the difference to {against}. One square is one of "
        f"{height} × {width} cells of the map. {marks}{rest}"
    )
    alt = (
        f"{title} of {len(pictured)} groups, and beneath each its difference to {against}. "
        "The table below says in words where it differs."
    )
    svg = figures.maps(figures.Named(name=name, title=title, alt=alt), pictured, difference=f"difference to {against}")
    return Picture(name=name, caption=caption, alt=alt, svg=svg)


def _sample(reading: Reading, maps: Sequence[DifferenceMap]) -> str:
    """Of how many images, where maps were kept of a sample only."""
    if maps[0].attribute == DECISION:
        return ""
    kept = {group_label(m.group): m.n for m in maps}
    counted = next((m for m in reading.result.mean_maps if m.attribute == maps[0].attribute), None)
    if counted is None:
        return ""
    there = sum(int(n.sum()) for g, n in zip(counted.groups, counted.counts, strict=True) if group_label(g) in kept)
    some = sum(kept.values())
    return f", of a sample of {some:,} of {there:,} images" if some < there else ""


def _table(reading: Reading, maps: Sequence[DifferenceMap]) -> Table:
    decision = maps[0].attribute == DECISION
    head = "wrong answer" if decision else attribute_title(maps[0].attribute)
    columns = [
        Column(head), Column("Images", number=True), Column("Cells that differ", number=True),
        Column("More relevance at"), Column("Less relevance at"), Column("p", number=True),
    ]  # fmt: skip
    rows = tuple(_row(reading, m) for m in maps)
    some = any(m.indicative for m in maps)
    few = f" In italics: fewer than {reading.fewest} subjects on one side, so not tested." if some else ""
    about = "wrong against right answers" if decision else attribute_title(maps[0].attribute)
    return Table(
        caption=f"Where maps differ: {about}",
        columns=tuple(columns),
        rows=rows,
        note=f"{_PARTS} Beneath it, its share of the relevance in the group's mean map and in that of those it is "
        f"compared with. p is for the whole map, over all cells and groups of this table together.{few}",
    )


def _row(reading: Reading, found: DifferenceMap) -> tuple[Cell, ...]:
    marked = found.marked(reading.alpha)
    mark = "weak" if found.indicative else ""
    cells = "–" if found.p_value is None else f"{int(marked.sum())} of {marked.size}"
    return (
        Cell(group_label(found.group), mark=mark),
        Cell(numbers.count(found.n), mark=mark),
        Cell(cells, mark=mark),
        *(_place(part) for part in places(found, marked)),
        Cell(numbers.p(found.p_value), mark=mark),
    )


def _place(part: Place | None) -> Cell:
    if part is None:
        return Cell("–")
    return Cell(part.name.removeprefix("the "), f"{numbers.percent(part.mean)}, not {numbers.percent(part.rest)}")
