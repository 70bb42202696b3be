"""The worst-off group: who it is, how sure that is after looking at so many, and who comes next."""

from __future__ import annotations

import dataclasses

from audit.result import Disparity, GroupEstimate, Measurement
from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Finding, Section, Table, Text
from reports._grouped import value_cell
from reports._reading import Reading
from reports._tests import survives
from reports._wording import capital, group_phrase, mistake, shown

MOST = 12  # groups in the table; the record has more
TOPIC = "Worst-off group"
_TITLES = {"wrong_label_rate": "Wrong answers", "failure_rate": "Missing answers"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Searched:
    """What a search says: its groups with their gap to everybody else, most surely worse first."""

    measurement: Measurement
    groups: tuple[tuple[GroupEstimate, Disparity], ...]
    size: int

    @property
    def what(self) -> str:
        return self.measurement.parameters.get("measure", "")


def searches(reading: Reading) -> tuple[Searched, ...]:
    """Every search of the record that found some group worse than the rest."""
    found = (
        Searched(measurement=m, groups=tuple(zip(m.by_group, m.disparities, strict=False)), size=m.searched or 0)
        for m in reading.result.all("worst_group")
    )
    return tuple(s for s in found if s.groups)


def worst(reading: Reading) -> Section | None:
    """A plain sentence for each rate, then the groups."""
    found = searches(reading)
    if not found:
        return None
    blocks: list[Block] = []
    for search in found:
        blocks.append(Text(sentence(reading, search), role="lead"))
        blocks += [Text(text) for text in _beside(reading, search)]
        blocks.append(_table(reading, search))
    note = (
        "Looked at were all groups of one, two or three attributes that have enough people; each is compared with "
        "everybody else. The more groups are looked at, the worse the worst of them looks by chance alone: the "
        "adjusted p allows for that (Holm over all of them), the interval of each difference does not. It is made for "
        "a search (from Jeffreys' limits), so between two groups alone it can be a little other than elsewhere; the "
        "rates and their intervals are those of the rates by group. A part of a group that is listed is listed only "
        "where it is clearly worse than the whole."
    )
    return Section(id="worst", title="The worst-off group", blocks=(*blocks, Text(note, role="small")))


def finding(reading: Reading) -> tuple[Finding, ...]:
    """The first search as a finding."""
    for search in searches(reading)[:1]:
        sure = survives(reading, search.groups[0][1])
        details = (*_beside(reading, search), _rests_on(reading, search))
        return (
            Finding(
                topic=TOPIC,
                level="clear" if sure else "none",
                sentence=sentence(reading, search),
                details=details if sure else details[-1:],
            ),
        )
    return ()


def sentence(reading: Reading, search: Searched) -> str:
    """Who is worst off, against everybody else, and whether it stands out."""
    group, gap = search.groups[0]
    many, few = numbers.in_hundred(_value(group.value), _value(group.value) - _value(gap.value))
    who = group_phrase(group.attributes, reading.label)
    looked = numbers.plural(search.size, "group")
    done = _done(reading, search)
    if survives(reading, gap):
        return (
            f"Of all {looked} looked at, {who} are most surely worse off: {many} {done}, against {few} of everybody "
            f"else. Even allowing for having looked at {looked}, this stands out."
        )
    return (
        f"Of all {looked} looked at, none stands out, allowing for having looked at so many. The nearest to it are "
        f"{who}: {many} {done}, against {few} of everybody else."
    )


def _done(reading: Reading, search: Searched) -> str:
    """In words that are true of the group and of everybody else: women are called men, but men are not."""
    if search.what == "failure_rate":
        return "get no answer"
    return f"are {mistake({}, reading.label, reading.classes)}"


def _beside(reading: Reading, search: Searched) -> tuple[str, ...]:
    """The group with the highest rate of all, where that is another one."""
    group, gap = max(search.groups, key=lambda row: _value(row[0].value))
    if group is search.groups[0][0] or not survives(reading, search.groups[0][1]):
        return ()
    (many,) = numbers.in_hundred(_value(group.value))
    who = capital(group_phrase(group.attributes, reading.label))
    size = f"{numbers.plural(group.n, 'image')} of {numbers.plural(group.subjects, 'subject')}"
    stands = "this stands out, too" if survives(reading, gap) else "too few to stand out among so many groups"
    return (f"{who} have the highest rate of all, {many}, from {size}: {stands}.",)


def _rests_on(reading: Reading, search: Searched) -> str:
    group, gap = search.groups[0]
    return (
        f"{numbers.percent(_value(group.value))} of {numbers.plural(group.n, 'image')} of "
        f"{numbers.plural(group.subjects, 'subject')}, {numbers.points(gap.value)} percentage points more than "
        f"everybody else ({reading.level} interval {numbers.points(gap.low)} to {numbers.points(gap.high)}); adjusted "
        f"by Holm over {numbers.plural(search.size, 'group')}: p {numbers.p(gap.p_adjusted)}."
    )


def _table(reading: Reading, search: Searched) -> Table:
    unit = search.measurement.unit
    rows = [
        (
            Cell(capital(group_phrase(group.attributes, reading.label))),
            value_cell(group, unit),
            Cell(numbers.number(_value(group.value) - _value(gap.value), unit)),
            Cell(*numbers.difference(gap.value, gap.low, gap.high, unit)),
            Cell(numbers.p(gap.p_adjusted), f"by itself {numbers.p(gap.p_value)}"),
            Cell(numbers.count(group.n)),
            Cell(numbers.count(group.subjects)),
        )
        for group, gap in search.groups[:MOST]
    ]
    thin = [
        s.reason
        for s in reading.result.skipped
        if s.measure == "worst_group" and s.parameters == search.measurement.parameters
    ]
    more = len(search.groups) - MOST
    notes = [f"{capital(shown(reason, 300))}." for reason in thin]
    if more > 0:
        notes.insert(0, f"{numbers.plural(more, 'more group')} in tables/groups.csv.")
    title = _TITLES.get(search.what, shown(search.what))
    return Table(
        caption=f"{title}: groups against everybody else, the most surely worse first",
        columns=(
            Column("Group"),
            Column("Its rate", number=True),
            Column("Everybody else", number=True),
            Column("Difference", number=True),
            Column("Adjusted p", number=True),
            Column("Images", number=True),
            Column("Subjects", number=True),
        ),
        rows=tuple(rows),
        note=" ".join(notes),
    )


def _value(x: float | None) -> float:
    return x or 0.0
