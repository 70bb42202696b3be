"""Can the map be trusted? What the second stage found, for a reader who has never heard of either check."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from audit.result import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Estimate, Trust, TrustCheck
from reports import _figures as figures
from reports import _numbers as numbers
from reports._document import Block, Callout, Cell, Column, Finding, Picture, Section, Table, Text
from reports._reading import Reading
from reports._wording import capital, shown

_ASKED = {
    "randomization": (
        "Does the map change when all that the network has learned is wiped out?",
        (
            "Its weights are put into a random order. A map that stays the same, or turns into its opposite, shows the "
            "picture, not what was learned."
        ),
    ),
    "deletion": (
        "Does the answer suffer more when what the map points at is painted over than when other places are?",
        "Parts of the picture are painted over in its mean color, most relevant first, and by chance.",
    ),
    "insertion": (
        "Is the answer found sooner when only what the map points at is shown than when other places are?",
        "The picture is built up from its mean color, most relevant first, and by chance.",
    ),
}
_SAYS = {
    SUPPORTED: "The map is supported",
    NOT_SUPPORTED: "The map is not supported",
    INCONCLUSIVE: "Whether the map can be trusted is inconclusive",
}
_FOLLOWS = {
    SUPPORTED: "That makes it worth reading; it does not prove that the model looks where it should, nor why it does.",
    NOT_SUPPORTED: "So what this report says about focus stands as not supported by the map: nothing follows from it.",
    INCONCLUSIVE: "So what this report says about focus is to be read with caution.",
}


def sentence(reading: Reading) -> str:
    """What is known of the map, in a sentence or two."""
    trust = reading.result.trust
    if trust is not None:
        return f"{_SAYS[trust.state]}: {shown(trust.because, 300)}."
    why = next((s.reason for s in reading.result.skipped if s.measure == "trust"), None)
    if why is None:
        return "Whether the map can be trusted was not checked."
    return f"Whether the map can be trusted could not be checked: {shown(why, 300)}."


def beside(reading: Reading, finding: Finding) -> Finding:
    """A finding that a map has a part in, with what is known of the map: a caution where it is not supported."""
    trust = reading.result.trust
    if trust is None or trust.state != NOT_SUPPORTED:
        return dataclasses.replace(finding, details=(*finding.details, sentence(reading)))
    return dataclasses.replace(finding, level="caution", details=(sentence(reading), *finding.details))


def read_off(reading: Reading, finding: Finding) -> Finding:
    """A finding that is read off a map and nothing else: told as not supported by the map where that is so."""
    told = beside(reading, finding)
    if told.level == finding.level:
        return told
    start = finding.sentence[:1].lower() + finding.sentence[1:]
    return dataclasses.replace(told, sentence=f"Not supported by the map: {start}")


def head(reading: Reading) -> Block:
    """The same at the head of the section on focus; impossible to overlook where the map is not supported."""
    trust = reading.result.trust
    if trust is not None and trust.state == NOT_SUPPORTED:
        return Callout(title="Not supported by the map", items=(f"{sentence(reading)} {_FOLLOWS[trust.state]}",))
    return Text(sentence(reading))


def trusted(reading: Reading) -> Section | None:
    """The checks one by one, the curves, and what follows."""
    trust = reading.result.trust
    if trust is None:
        return None
    return Section(id="trust", title="Can the map be trusted?", blocks=tuple(_blocks(reading, trust)))


def _blocks(reading: Reading, trust: Trust) -> Iterator[Block]:
    yield Text(f"{sentence(reading)} {_FOLLOWS[trust.state]}", role="lead")
    yield Text(
        f"Checked on {numbers.plural(trust.images, 'picture')} of {numbers.plural(trust.subjects, 'subject')}, drawn "
        "so that every group comes about as often as every other: maps of the answer that was given, by the method "
        f"{shown(trust.cam)}."
    )
    yield Table(
        caption="The checks, and what came out",
        columns=(Column("Question"), Column("What came out"), Column("The map is")),
        rows=tuple(_row(check) for check in trust.checks),
        note="Likeness: 1 is the same map or its opposite; maps of "
        f"{numbers.plural(trust.cells, 'cell')} that have nothing to do with each other have about "
        f"{_ratio(trust.by_chance)}. Points: of the probability of the answer, on average over the picture's parts; "
        f"above 0 the map knows better than chance. All with {reading.level} intervals.",
    )
    if trust.levels:
        yield _levels(reading, trust)
    if trust.curves is not None:
        yield _picture(trust)


def _row(check: TrustCheck) -> tuple[Cell, ...]:
    question, how = _ASKED.get(check.name, (shown(check.name), ""))
    if check.estimate is None:
        came = Cell("could not be had", shown(check.reason or "", 300))
    elif check.name == "randomization":
        came = Cell(f"likeness {_ratio(check.estimate.value)}", _between(check.estimate))
    else:
        low, high = check.estimate.low, check.estimate.high
        within = f"{numbers.points(low)} to {numbers.points(high)}" if low is not None and high is not None else ""
        came = Cell(f"{numbers.points(check.estimate.value)} points", within)
    return Cell(question, how), came, Cell(capital(check.state))


def _between(found: Estimate) -> str:
    """A likeness is never below 0, whatever its interval computes to."""
    return "" if found.low is None else f"{_ratio(max(0.0, found.low))} to {_ratio(found.high)}"


def _ratio(value: float | None) -> str:
    """A correlation: limits of the interval can lie beyond its ends, which nobody needs to see."""
    if value is None:
        return "–"
    return numbers.MINUS * (value < 0) + numbers.ratio(min(1.0, abs(value)))


def _levels(reading: Reading, trust: Trust) -> Table:
    rows = []
    for level in trust.levels:
        last = "the last one" if level.layers == 1 else f"the last {level.layers}"
        which = f"all {level.of}" if level.layers == level.of else f"{last} of {level.of}"
        does = "does" if level.blank == 1 else "do"
        blank = f"{numbers.plural(level.blank, 'picture')} without a map {does} not count" if level.blank else ""
        likeness = Cell(_ratio(level.likeness.value), _between(level.likeness))
        rows.append((Cell(which, blank), likeness, Cell(_ratio(level.correlation.value))))
    draws = trust.levels[-1].draws
    return Table(
        caption="Likeness of the map to that of the same network with weights in a random order",
        columns=(
            Column("Layers with weights drawn anew"),
            Column("Likeness", number=True),
            Column("Rank correlation", number=True),
        ),
        rows=tuple(rows),
        note="Likeness is the mean size of the rank correlation, whose own mean is near 0 where a map is turned round "
        f"in every other draw. The {reading.level} interval is over {numbers.plural(draws, 'draw')} of the weights.",
    )


def _picture(trust: Trust) -> Picture:
    assert trust.curves is not None  # noqa: S101 asked before
    seen = trust.curves
    title = "What becomes of the answer when parts of the picture are taken away or shown"
    alt = (
        f"{title}: the mean probability of the answer over the share of the picture, in the map's order and in a "
        "random one. The differences are in the table above."
    )
    lines = (
        figures.Curve(label="painted over, map's order", values=seen.deletion),
        figures.Curve(label="painted over, by chance", values=seen.random, weak=True),
        figures.Curve(label="shown alone, map's order", values=seen.insertion),
        figures.Curve(label="shown alone, by chance", values=seen.random[::-1], weak=True),
    )
    svg = figures.curves(
        figures.Named(name="trustcurves", title=title, alt=alt),
        lines,
        ticks=[f"{100 * share:.0f}\u00a0%" for share in seen.shares],
        x="share of the picture that is painted over, or shown",
        y="probability of the answer",
    )
    caption = (
        f"{title}. Where the map points at what matters, its lines keep away from the dotted ones: painted over in its "
        "order the answer falls sooner, shown in its order it is found sooner."
    )
    return Picture(name="trustcurves", caption=caption, alt=alt, svg=svg)
