"""What goes together: right answers with and without a thing in the picture, beside how much of the map lies on it."""

from __future__ import annotations

import dataclasses
import functools

from audit.result import Attributes, Disparity, GroupEstimate, Measurement
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Finding, Section, Table, Text
from reports._grouped import group_cell, indicative_note, value_cell
from reports._reading import Reading, group
from reports._tests import survives
from reports._trust import beside
from reports._wording import capital, group_phrase, shown

TOPIC = "Things that go together"
CAVEAT = (
    "Fewer right answers without it and a map that lies on it are together the mark of a shortcut, and no proof: "
    "pictures with and without it can differ in other things, too."
)
NOT_MORE = "but not clearly more of the map lies on it than its size would give it, so the map does not say why"
TOO_FEW = "the pictures that would say whether the map lies on it are too few"
_YES, _NO = frozenset({"yes", "true", "with", "1"}), frozenset({"no", "false", "without", "none", "0"})


@dataclasses.dataclass(frozen=True)
class Context:
    """What the record has of one attribute that stands at a place in the picture."""

    reading: Reading
    right: Measurement  # right answers by class and context

    @property
    def name(self) -> str:
        return self.right.parameters.get("context", "")

    @property
    def region(self) -> str:
        """Where it stands."""
        mass = self.on_it("context_mass", "all")
        return mass.parameters["region"] if mass is not None else self.name

    def on_it(self, measure: str, decisions: str) -> Measurement | None:
        """Mass or lift on the region, of all answers or of the wrong ones."""
        wanted = {"context": self.name, "decisions": decisions}.items()
        return next((m for m in self.reading.result.all(measure) if m.parameters.items() >= wanted), None)

    @functools.cached_property
    def drops(self) -> tuple[Drop, ...]:
        """Classes with clearly fewer right answers with one value of the context, those seen in the map first."""
        clear = [d for d in self.right.disparities if d.clear and survives(self.reading, d)]
        found = [Drop(self, d) for d in clear]
        return tuple(sorted(found, key=lambda d: (d.seen is None, -(d.gap.low or 0.0))))


@dataclasses.dataclass(frozen=True)
class Seen:
    """Relevance on the thing, clearly more than its size gives it."""

    mass: GroupEstimate
    lift: GroupEstimate
    wrong: bool  # of the wrong answers where it is there; else of all answers where right ones are more common


@dataclasses.dataclass(frozen=True)
class Drop:
    """One class that is recognized less often with one value of a context."""

    context: Context
    gap: Disparity

    @functools.cached_property
    def seen(self) -> Seen | None:
        """Where the thing is in the pictures that are answered rightly more often, their map; where it is in the
        others, the map of those answered wrongly."""
        more = [seen for seen in self._maps if seen.lift.low is not None and seen.lift.low > 1]
        return max(more, key=lambda seen: seen.lift.low or 0.0, default=None)

    @property
    def looked(self) -> bool:
        """Whether the maps are enough to say anything."""
        return bool(self._maps)

    @functools.cached_property
    def _maps(self) -> tuple[Seen, ...]:
        """What there is of either with enough people."""
        found: list[Seen] = []
        for attributes, decisions in ((self.gap.best, "all"), (self.gap.worst, "wrong")):
            mass, lift = (
                group(m, attributes) if (m := self.context.on_it(name, decisions)) is not None else None
                for name in ("context_mass", "context_lift")
            )
            if mass is not None and lift is not None and lift.value is not None and not lift.indicative:
                found.append(Seen(mass, lift, decisions == "wrong"))
        return tuple(found)


def contexts(reading: Reading) -> tuple[Context, ...]:
    return tuple(Context(reading, m) for m in reading.result.all("co_occurrence"))


def finding(reading: Reading) -> tuple[Finding, ...]:
    """The clearest drop whose map lies on the thing, one finding a context."""
    found = []
    for context in contexts(reading):
        drops = [drop for drop in context.drops if drop.seen is not None]
        if drops:
            also = tuple(f"Also: {_sentence(drop)}" for drop in drops[1:3])
            details = (*also, _rests_on(drops[0]), CAVEAT)
            told = Finding(topic=TOPIC, level="clear", sentence=_sentence(drops[0]), details=details)
            found.append(beside(reading, told))
    return tuple(found)


def together(reading: Reading) -> Section | None:
    """For each context what was found in a sentence, then the table of classes with and without it."""
    found = contexts(reading)
    if not found:
        return None
    blocks: list[Block] = [
        Text(
            "A model that was trained on pictures in which a thing mostly comes with one answer may recognize the "
            "thing instead of what it is asked for. Where it is known at which place of the picture a thing stands, "
            "two questions are asked of each class: is it recognized less often where the thing is missing, or there? "
            "And does the map lie on the thing?"
        )
    ]
    for context in found:
        said = [_sentence(drop) for drop in context.drops] or [_nothing(context)]
        blocks += [Text(sentence, role="lead") for sentence in said[:3]]
        blocks.append(_table(reading, context))
    blocks.append(Text(CAVEAT, role="small"))
    return Section(id="together", title=TOPIC, blocks=tuple(blocks))


def _sentence(drop: Drop) -> str:
    """`Without badge, women are judged rightly 71 % of the time instead of 98 %, and where …: the model may rely …`"""
    context, worst = drop.context, drop.gap.worst or {}
    label = context.reading.label
    own = group(context.right, worst)
    less = own.value if own is not None and own.value is not None else 0.0
    who = group_phrase({label: worst.get(label)}, label)
    start = (
        f"{capital(_thing(context.name, worst))}, {who} are judged rightly {numbers.percent(less)} of the time "
        f"instead of {numbers.percent(less + (drop.gap.value or 0.0))}"
    )
    if drop.seen is None:
        return f"{start}; {NOT_MORE if drop.looked else TOO_FEW}."
    mass, lift = numbers.percent(drop.seen.mass.value or 0.0), numbers.ratio(drop.seen.lift.value)
    where = f"in {'their misjudged ' * drop.seen.wrong}pictures {_thing(context.name, drop.seen.mass.attributes)}"
    return (
        f"{start}, and {where} {mass} of the map lies on the region “{shown(context.region)}”, {lift} times what its "
        "size would give it: the model may rely on it."
    )


def _thing(name: str, attributes: Attributes) -> str:
    """`without badge`, `with badge = red`."""
    value = attributes.get(name)
    said, thing = (value or "").casefold(), shown(name).replace("_", " ")
    if said in _NO:
        return f"without {thing}"
    return f"with {thing}" if said in _YES else f"with {thing} = {shown(value or 'not stated')}"


def _rests_on(drop: Drop) -> str:
    right, gap = drop.context.right, drop.gap
    sizes = [
        f"{numbers.plural(g.n, 'image')} of {numbers.plural(g.subjects, 'subject')}"
        for a in (gap.worst, gap.best)
        if (g := group(right, a)) is not None
    ]
    return (
        f"{numbers.points(gap.value)} percentage points fewer right answers ({drop.context.reading.level} interval "
        f"{numbers.points(gap.low)} to {numbers.points(gap.high)}), from {' and '.join(sizes)}; adjusted by Holm over "
        f"{numbers.plural(right.searched or 1, 'comparison')}: p {numbers.p(gap.p_adjusted)}."
    )


def _nothing(context: Context) -> str:
    if not context.right.searched:
        return f"Too few subjects to tell whether {shown(context.name)} goes together with the answers."
    return f"No group is clearly recognized more or less often by what is said of {shown(context.name)}."


def _table(reading: Reading, context: Context) -> Table:
    maps = [
        (title, context.on_it(measure, decisions))
        for title, measure, decisions in (
            ("Share of the map on it", "context_mass", "all"),
            ("Lift (times its size)", "context_lift", "all"),
            ("Share of the map, wrong answers", "context_mass", "wrong"),
        )
    ]
    rows = [
        (
            group_cell(g),
            value_cell(g, context.right.unit),
            *(value_cell(group(m, g.attributes) if m else None, m.unit if m else "", g.n) for _, m in maps),
            Cell(numbers.count(g.n)),
            Cell(numbers.count(g.subjects)),
        )
        for g in context.right.by_group
    ]
    weak = any(row[0].mark for row in rows)
    return Table(
        caption=f"Right answers and the map, by {shown(reading.label)} and {shown(context.name)}",
        columns=(
            Column(f"{shown(reading.label)} · {shown(context.name)}"),
            Column("Right answers", number=True),
            *(Column(title, number=True) for title, _ in maps),
            Column("Images", number=True),
            Column("Subjects", number=True),
        ),
        rows=tuple(rows),
        note=indicative_note(reading) if weak else "",
    )
