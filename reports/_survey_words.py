"""How the findings and the tables of a probe set say one thing alike: a copy, a contradiction, a tie, a reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import _numbers as numbers
from reports._wording import attribute_title, capital, group_phrase, joined, shown, value_turn

if TYPE_CHECKING:
    from audit.survey import Association, Conflict, CopySet, Reach, Survey

RATE = 0.10  # of error, when one rate must stand for all
KINDS_OF_COPIES = {"same file": "the same file", "same pixels": "the same pixels", "near copy": "near copies"}


def copy_line(one: CopySet, label: str) -> str:
    """`images/a.jpg and images/b.jpg: near copies; they differ in gender`."""
    paths = [shown(p, 80) for p in one.paths[:3]]
    more = f" and {one.images - 3} more" if one.images > 3 else ""
    apart = f"; their rows differ in {differing(one, label)}" if one.differs else ""
    return f"{', '.join(paths) if more else joined(paths)}{more}: {KINDS_OF_COPIES[one.kind]}{apart}."


def differing(one: CopySet, label: str) -> str:
    """The columns in which the rows of a set of copies differ, the label by its own name."""
    return joined([shown(label if name == "label" else name) for name in one.differs])


def conflict_lines(found: Conflict) -> list[str]:
    """`p0267: other (1 image), white (1 image), in images/a.jpg and images/b.jpg`."""
    lines = []
    for one in found.listed:
        values = joined([f"{shown(v)} ({numbers.plural(n, 'image')})" for v, n in one.values.items()])
        lines.append(f"{shown(one.subject)}: {values}, in {joined([shown(p, 80) for p in one.paths])}.")
    return lines


def at_rate(survey: Survey, rate: float = RATE) -> list[Reach]:
    """One row an attribute, the larger likeness where there are two: the more careful figure."""
    last: dict[str, Reach] = {}
    for row in survey.reaches:
        if row.rate == rate:
            last[row.attribute] = row
    return list(last.values())


def assumed(survey: Survey, icc: float | None = None) -> str:
    """The likeness of mistakes that a figure rests on, the more careful one unless named; "" where there is but one."""
    known = {r.icc for r in survey.reaches}
    if len(known) == 1:
        return ""
    icc = max(known) if icc is None else icc
    if icc == 0:
        return ", if a model's mistakes on pictures of one person are no more alike than on those of different people"
    return f", if a model's mistakes on pictures of one person are alike (intraclass correlation {icc:g})"


def round_points(points: float) -> str:
    """A number of ours, not a finding: `5`."""
    return f"{100 * points:g}"


def round_percent(rate: float) -> str:
    """A number of ours, too: `10 %`."""
    return f"{100 * rate:g}{numbers.PERCENT}"


def gap_text(gap: float | None) -> str:
    return "none at all" if gap is None else f"{numbers.points(gap)} points"


def tie_line(found: Association, survey: Survey) -> str:
    """`Women are younger than the others: of the women 21 in 100 are aged 50-116, of all others 24 in 100 (V 0.13).`"""
    tie = found.tie
    if tie is None:
        return ""
    group = group_phrase({found.first: tie.first}, str(survey.result.probe.get("label", "")))
    many, few = numbers.in_hundred(tie.share, tie.elsewhere)
    what = value_turn(found.second, tie.second)
    open_cells = any(m.column == found.second for m in survey.missing)
    stated = f" whose {attribute_title(found.second)} is stated" if open_cells else ""
    comma = "," if stated or group[-1:].isdigit() else ""
    told = f"of the {group}{stated}{comma} {many} {what}; of all others {few}"
    size = f"V {numbers.ratio(found.v)}, p {numbers.p(found.p_adjusted)}"
    if tie.leaning is None:
        return f"{capital(told)} ({size})."
    return f"{capital(group)} {_leaning(found.second, tie.leaning)} than the others: {told} ({size})."


def _leaning(column: str, leaning: str) -> str:
    if column.casefold().startswith("age"):
        return "are younger" if leaning == "lower" else "are older"
    return f"have {leaning} {shown(column)}"
