"""What an audit of a probe set can find: the power table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports import _numbers as numbers
from reports._document import Block, Cell, Column, Section, Table, Text
from reports._survey_words import assumed, at_rate, gap_text, round_percent, round_points
from reports._wording import attribute_title

if TYPE_CHECKING:
    from audit.survey import Reach, Survey


def power(survey: Survey) -> Section | None:
    """Smallest gaps and subjects needed, at four rates of error."""
    if not survey.reaches:
        return None
    return Section(
        id="power",
        title="What an audit of this set can find",
        blocks=(
            Text(
                "How large a gap between two groups must be so that an audit finds it four times in five, and how many "
                "people it takes. All this depends on how often a model is wrong, which nobody knows yet: four rates "
                "are shown. Groups with too few subjects to be compared are left out."
            ),
            *(t for icc in sorted({r.icc for r in survey.reaches}, reverse=True) for t in _power_tables(survey, icc)),
        ),
    )


def _power_tables(survey: Survey, icc: float) -> Iterator[Block]:
    """At one assumed likeness. Where everybody has one picture of a group, it makes no difference."""
    several = {r.attribute for r in survey.reaches if r.icc > 0}
    rows: dict[str, list[Reach]] = {}
    for reach in survey.reaches:
        if reach.icc == icc or reach.attribute not in several:
            rows.setdefault(reach.attribute, []).append(reach)
    rates = list(dict.fromkeys(r.rate for r in survey.reaches))
    points = round_points(survey.reaches[0].points)
    when = assumed(survey, icc)
    heads = [Column(f"{round_percent(rate)} wrong", number=True) for rate in rates]
    yield Table(
        caption=f"Smallest gap that is found: worst pair of groups, and best pair beneath{when}",
        columns=(Column("Between the groups of"), Column("Groups", number=True), *heads),
        rows=tuple(
            (
                Cell(attribute_title(name), _left_out(found[0])),
                Cell(str(found[0].groups), _sizes(found[0])),
                *(Cell(gap_text(r.worst_gap), f"best {gap_text(r.best_gap)}" if r.groups > 2 else "") for r in found),
            )
            for name, found in rows.items()
        ),
        note="The rate is that of the better group of a pair; the other one's is higher by the gap.",
    )
    yield Table(
        caption=f"Subjects in each group that find a gap of {points} points, and beneath: that show a gap to be within "
        f"{points} points where there is none{when}",
        columns=(Column("Between the groups of"), Column("Smallest group now", number=True), *heads),
        rows=tuple(
            (
                Cell(attribute_title(name)),
                Cell(f"{found[0].fewest:,}"),
                *(Cell(f"{r.to_find:,}", f"to pass {r.to_pass:,}") for r in found),
            )
            for name, found in rows.items()
        ),
        note="For groups of one size, with as many pictures of each person as here.",
    )


def _sizes(reach: Reach) -> str:
    sizes = f"{reach.fewest:,}" if reach.fewest == reach.most else f"{reach.fewest:,} to {reach.most:,}"
    return f"{sizes} subjects"


def _left_out(reach: Reach) -> str:
    return f"{numbers.plural(reach.left_out, 'small group')} left out" if reach.left_out else ""


def brief_power(survey: Survey) -> Iterator[Section]:
    """One table for a terminal, at one rate."""
    rows = at_rate(survey)
    if not rows:
        return
    points, rate = round_points(rows[0].points), round_percent(rows[0].rate)
    icc = max(r.icc for r in rows)
    alike = f"; mistakes on one person's pictures alike by {icc:g}" if icc else ""
    yield Section(
        id="power",
        title="What an audit of this set can find",
        blocks=(
            Table(
                caption=f"Where {rate} are wrong in one group{alike}",
                columns=(
                    Column("Between groups of"),
                    Column("Groups", number=True),
                    Column("Smallest gap", number=True),
                    Column("Smallest group", number=True),
                    Column(f"Finds {points}", number=True),
                    Column(f"Passes {points}", number=True),
                ),
                rows=tuple(
                    (
                        Cell(attribute_title(r.attribute)),
                        Cell(str(r.groups)),
                        Cell(gap_text(r.worst_gap)),
                        Cell(f"{r.fewest:,}"),
                        Cell(f"{r.to_find:,}"),
                        Cell(f"{r.to_pass:,}"),
                    )
                    for r in rows
                ),
                note="Smallest gap: found four times in five, between the worst pair of groups. Finds, passes: "
                f"subjects that each group needs to find {points} points, or to show that there is no such gap.",
            ),
        ),
    )
