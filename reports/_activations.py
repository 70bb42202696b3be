"""Activations over depth: how strongly each group moves the network, with the errors beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import GroupEstimate, Measurement
from reports import _figures as figures
from reports import _numbers as numbers
from reports._activation_ratio import adjusted_text, few, quality_table, ratio_table, spans
from reports._document import Block, Cell, Column, Picture, Section, Table, Text
from reports._grouped import group_cell, indicative_note, value_cell
from reports._inside import ACTIVATION_CAVEAT, OF_THE_LABEL
from reports._rates import most_different
from reports._reading import REDUCTION, Reading, group
from reports._wording import attribute_title, group_label, measure_title, shown

MOST_DRAWN = 5


def activations(reading: Reading) -> Section | None:
    """A curve a group over depth, the ratio at every layer, and the error rates of the same groups."""
    if not reading.strengths:
        return None
    drawn = most_different(reading, reading.strengths[-1], MOST_DRAWN)
    sections = [
        Section(
            id=f"activations-{place}",
            title=f"By {attribute_title(attribute)}",
            blocks=tuple(_blocks(reading, attribute, f"curves{place}", draw=attribute in drawn)),
        )
        for place, attribute in enumerate(reading.attributes, 1)
        if reading.strengths[-1].groups(attribute)
    ]
    reduction = reading.strengths[-1].parameters.get("reduction", REDUCTION)
    text = (
        "Activation strength is one number an image and layer; a group's value is the mean over its images. The "
        f"curves divide each group by the largest group at that layer (reduction {shown(reduction)}). The activation "
        f"ratio Λ is the smallest group over the largest: 1 means that all groups move the layer alike. "
        f"{ACTIVATION_CAVEAT} So the errors stand beside it."
    )
    return Section(
        id="activations",
        title="Activations over depth",
        blocks=(Text(text), _layers(reading), *adjusted_text(reading)),
        sections=tuple(sections),
    )


def _blocks(reading: Reading, attribute: str, name: str, *, draw: bool) -> Iterator[Block]:
    if reading.label in attribute.split("*"):
        yield Text(OF_THE_LABEL, role="small")
    if draw:
        yield _curves(reading, attribute, name)
    yield from few(reading, attribute)
    tables = (ratio_table(reading, attribute), _deepest(reading, attribute), quality_table(reading, attribute))
    yield from (table for table in tables if table is not None)


def _curves(reading: Reading, attribute: str, name: str) -> Picture:
    groups = reading.strengths[-1].groups(attribute)
    largest = {m.column: _largest(m, attribute) for m in reading.strengths}
    lines = [
        figures.Curve(
            label=group_label(g.attributes),
            values=tuple(_relative(group(m, g.attributes), largest[m.column]) for m in reading.strengths),
            weak=g.indicative,
        )
        for g in groups
    ]
    title = f"Activation over depth by {attribute_title(attribute)}"
    below = spans(reading, attribute)
    shown_below = _below(reading, below)
    told = "; ".join(f"{c.label}: {numbers.ratio(c.values[-1])}" for c in lines[:12])
    alt = f"{title}, each group divided by the largest. At the deepest layer: {told}."
    if shown_below:
        alt += f" Below, the activation ratio from the first to the last layer: {_listed(below.values)}."
    svg = figures.curves(
        figures.Named(name=name, title=title, alt=alt),
        lines,
        ticks=[str(i) for i in range(1, len(reading.strengths) + 1)],
        x="layer, from input to output",
        y="share of the largest",
        below=below if shown_below else None,
    )
    weak = " Dotted: indicative only." if any(c.weak for c in lines) else ""
    caption = f"{title}: each group divided by the largest group.{weak}{shown_below}"
    return Picture(name=name, caption=caption, alt=alt, svg=svg)


def _below(reading: Reading, spans: figures.Spans) -> str:
    """What the lower part of the drawing shows, "" when there is nothing to show."""
    if all(v is None for v in spans.values):
        return ""
    said = " Below: the activation ratio Λ"
    if any(v is not None for v in spans.low):
        return f"{said} with its {reading.level} interval."
    few = f"{said}, of too few subjects for an interval"
    if any(v is not None for v in spans.marks):
        return f"{few}; lines: if the groups did not differ, it would lie above them {reading.level} of the time."
    return f"{few}."


def _listed(values: Sequence[float | None]) -> str:
    return ", ".join(numbers.ratio(v) for v in values)


def _deepest(reading: Reading, attribute: str) -> Table:
    """Activation at the deepest layer, beside the error rate of each group."""
    deepest, errors = reading.strengths[-1], reading.errors
    top = _largest(deepest, attribute)
    rows = [
        (
            group_cell(g),
            value_cell(g, deepest.unit),
            Cell(numbers.ratio(_relative(g, top))),
            *([value_cell(group(errors, g.attributes), errors.unit)] if errors else []),
            Cell(numbers.count(g.n)),
        )
        for g in deepest.groups(attribute)
    ]
    return Table(
        caption=f"Deepest layer looked at, by {attribute_title(attribute)}" + (", and the errors" if errors else ""),
        columns=(
            Column(attribute_title(attribute)),
            Column("Activation strength", number=True),
            Column("Share of the largest", number=True),
            *([Column(measure_title(errors), number=True)] if errors else []),
            Column("Images", number=True),
        ),
        rows=tuple(rows),
        note=indicative_note(reading) if any(r[0].mark for r in rows) else "",
    )


def _layers(reading: Reading) -> Table:
    tapped = {str(layer.get("name")): layer for layer in reading.result.model.get("layers", ())}
    rows = []
    for measurement in reading.strengths:
        name = measurement.parameters.get("layer", "")
        layer = tapped.get(name, {})
        clipped = bool(layer.get("clipped_at_zero"))
        rows.append(
            (
                Cell(str(reading.layer_number(measurement))),
                Cell(shown(name), "values below 0 are clipped to 0 first" if clipped else ""),
                Cell(f"{100 * reading.depths[name]:.0f}\u00a0%" if name in reading.depths else "–"),
                Cell(" × ".join(str(n) for n in layer.get("shape", ())) or "–"),
            )
        )
    return Table(
        caption="The layers that were looked at",
        columns=(
            Column("Layer"),
            Column("Name in the file"),
            Column("Depth", number=True),
            Column("Shape", number=True),
        ),
        rows=tuple(rows),
    )


def _largest(measurement: Measurement, attribute: str) -> float | None:
    """Among stated groups with evidence, as the ratio has it; all groups when none has."""
    groups = measurement.groups(attribute)
    firm = [g for g in groups if not g.indicative and None not in g.attributes.values()]
    return max((g.value for g in firm or groups if g.value is not None), default=None)


def _relative(estimate: GroupEstimate | None, largest: float | None) -> float | None:
    if estimate is None or estimate.value is None or not largest:
        return None
    return estimate.value / largest
