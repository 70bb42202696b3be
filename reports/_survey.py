"""A probe set without a model: what is shown of a survey, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import _numbers as numbers
from reports._closing import method, record
from reports._closing import skipped as skipped_section
from reports._document import Block, Bullets, Callout, Cell, Column, Document, Facts, Section, Table, Text
from reports._rates import quality
from reports._reading import Reading
from reports._survey_findings import survey_findings
from reports._survey_power import brief_power, power
from reports._survey_words import conflict_lines, differing, tie_line
from reports._tested import coverage, size_of
from reports._tests import tests_explained
from reports._wording import attribute_title, group_label, shown

if TYPE_CHECKING:
    from audit.survey import CopySet, Survey


def survey_view(survey: Survey) -> Document:
    """The whole page."""
    reading = Reading(survey.result)
    sections = (
        _summary(survey),
        power(survey),
        _copies(survey),
        _conflicts(survey),
        coverage(reading),
        _gaps_in_the_table(survey),
        _associations(survey),
        _quality(reading),
        skipped_section(reading),
        _method(reading),
        _limits(survey),
        record(reading),
    )
    return _document(survey, tuple(s for s in sections if s is not None))


def survey_brief(survey: Survey) -> Document:
    """What fits a terminal: the findings, who is in the set, and what it can find."""
    groups: dict[str, list[str]] = {}
    for cell in survey.result.probe["cells"]:
        name = attribute_title("*".join(cell["attributes"]))
        groups.setdefault(name, []).append(f"{group_label(cell['attributes'])} {cell['subjects']:,}")
    who = tuple((name, _some(told)) for name, told in groups.items())
    return _document(
        survey,
        (
            _summary(survey),
            Section(id="who", title="Subjects by group", blocks=(Facts(who),)),
            *brief_power(survey),
        ),
    )


def _document(survey: Survey, sections: tuple[Section, ...]) -> Document:
    result = survey.result
    started = str(result.run.get("started") or "")
    name = shown(str(result.run.get("probe", "")).rstrip("/").rsplit("/", 1)[-1] or "a folder")
    return Document(
        title=f"Survey of the probe set {name}",
        subtitle=" · ".join([size_of(result.probe), *([shown(started[:10])] if started else [])]),
        started=started,
        sections=sections,
    )


def _summary(survey: Survey) -> Section:
    blocks: list[Block] = []
    if survey.result.notes:
        notes = tuple(shown(note, 900) for note in survey.result.notes)
        blocks.append(Callout(title="Know this first", items=notes))
    blocks += survey_findings(survey)
    return Section(id="summary", title="What to know about this probe set", blocks=tuple(blocks))


def _copies(survey: Survey) -> Section | None:
    found = survey.copies
    if not found.sets:
        return None
    many = sum(found.sets.values())
    alike = (
        " The pictures of this set are made alike, so that only close copies can be told from pictures of other people."
        if found.alike
        else ""
    )
    rest = f"The first {len(found.listed):,} of {many:,} sets." if many > len(found.listed) else ""
    return Section(
        id="copies",
        title="Pictures that are in the set more than once",
        blocks=(
            Text(
                "The same file, the same pixels in another file, or the same picture compressed, resized, brightened "
                f"or slightly cropped. Those whose rows contradict each other come first.{alike}"
            ),
            Table(
                caption="Sets of copies",
                columns=(
                    Column("Pictures"),
                    Column("What they are"),
                    Column("Images", number=True),
                    Column("Their rows differ in"),
                    Column("Subjects"),
                ),
                rows=tuple(_copy_row(s, str(survey.result.probe["label"])) for s in found.listed),
                note=rest,
            ),
        ),
    )


def _copy_row(one: CopySet, label: str) -> tuple[Cell, ...]:
    shown_paths = ", ".join(shown(p, 80) for p in one.paths[:4])
    more = f"and {one.images - 4:,} more" if one.images > 4 else ""
    likeness = f"detail alike by {numbers.ratio(one.likeness)}" if one.kind == "near copy" else ""
    return (
        Cell(shown_paths, more),
        Cell(one.kind, likeness),
        Cell(f"{one.images:,}"),
        Cell(differing(one, label) or "–"),
        Cell(_some([shown(s) for s in one.subjects], 4) or "–"),
    )


def _conflicts(survey: Survey) -> Section | None:
    if not survey.conflicts:
        return None
    return Section(
        id="conflicts",
        title="Subjects that contradict themselves",
        blocks=(Text("Most subjects with several pictures have one value in these columns; these have more."),),
        sections=tuple(
            Section(
                id=f"conflicts-{place}",
                title=f"{attribute_title(c.column)}: {c.several:,} of {numbers.plural(c.subjects, 'subject')}",
                blocks=(Bullets(tuple(conflict_lines(c))),),
            )
            for place, c in enumerate(survey.conflicts, 1)
        ),
    )


def _gaps_in_the_table(survey: Survey) -> Section | None:
    """Empty cells, missing values, unreadable pictures."""
    blocks: list[Block] = []
    if survey.crossings:
        blocks.append(
            Table(
                caption="Combinations of values",
                columns=(
                    Column("Of"),
                    Column("Possible", number=True),
                    Column("Empty", number=True),
                    Column("Too few to judge", number=True),
                    Column("Empty ones"),
                ),
                rows=tuple(
                    (
                        Cell(attribute_title(c.attribute)),
                        Cell(f"{c.cells:,}"),
                        Cell(f"{c.empty:,}"),
                        Cell(f"{c.thin:,}"),
                        Cell(_some([group_label(a) for a in c.listed], 12) or "–"),
                    )
                    for c in survey.crossings
                ),
            )
        )
    if survey.missing:
        blocks.append(
            Table(
                caption="Values that are not stated",
                columns=(Column("Column"), Column("Role"), Column("Images", number=True)),
                rows=tuple((Cell(shown(m.column)), Cell(m.role), Cell(f"{m.images:,}")) for m in survey.missing),
            )
        )
    if survey.unreadable:
        blocks.append(
            Table(
                caption="Pictures that can't be read",
                columns=(Column("Picture"), Column("Why")),
                rows=tuple((Cell(shown(u.path, 120)), Cell(shown(u.reason, 200))) for u in survey.unreadable),
                note=_first(len(survey.unreadable), int(survey.result.probe["unreadable"]), "pictures"),
            )
        )
    return Section(id="missing", title="What is missing", blocks=tuple(blocks)) if blocks else None


def _associations(survey: Survey) -> Section | None:
    found = [a for a in survey.associations if a.v is not None]
    if not found:
        return None
    left = dict.fromkeys(name for a in survey.associations for name in a.left_out)
    note = f"Left out, for too few subjects: {_some([shown(x) for x in left], 12)}. " if left else ""
    return Section(
        id="associations",
        title="Columns that hang together",
        blocks=(
            Text(
                "Where two columns hang together, a difference between the groups of one may be one between the groups "
                "of the other. V is 0 where they are independent and 1 where each follows from the other; below 0.1 is "
                "little. It is corrected for what chance alone brings about."
            ),
            Table(
                caption="Associations between columns, strongest first",
                columns=(Column("Columns"), Column("V", number=True), Column("p", number=True), Column("Most clearly")),
                rows=tuple(
                    (
                        Cell(f"{attribute_title(a.first)}, {attribute_title(a.second)}"),
                        Cell(numbers.ratio(a.v)),
                        Cell(numbers.p(a.p_value), f"adjusted {numbers.p(a.p_adjusted)}"),
                        Cell(tie_line(a, survey) if (a.p_adjusted or 1.0) < Reading(survey.result).alpha else "–"),
                    )
                    for a in sorted(found, key=lambda a: -(a.v or 0.0))
                ),
                note=f"{note}Each test counts people, not pictures; adjusted: Benjamini-Hochberg over the "
                f"{numbers.plural(len(found), 'pair')}.",
            ),
        ),
    )


def _quality(reading: Reading) -> Section | None:
    section = quality(reading)
    if section is None:
        return None
    blocks = (*section.blocks, *tests_explained(reading, reading.family("quality")))
    return Section(id=section.id, title=section.title, blocks=blocks, sections=section.sections)


_METHODS = {
    "Power": (
        "Two-proportion sample sizes with the critical value of a comparison of all groups (studentized range), at the "
        "effective number of pictures: S = n* D / m + 1 subjects a group, with D = 1 + (m' − 1) ρ. Unequal groups: the "
        "gap is solved for each pair, the harder way round. A pass: n* = p q [(w + √2 t) / b]², with w the range that "
        "equal groups keep to four times in five; at low rates the n* at which Wilson's interval itself fits."
    ),
    "Copies": (
        "Files are compared by SHA-256. A 64-bit perceptual hash (signs of low frequencies) proposes near copies; they "
        "are read again, laid over each other by shift and stretch, and correlated in fine detail. The threshold rises "
        "with how alike the pictures of different people in the set are. A crop of more than 3 % a side, pictures "
        "of less than 48 x 48 pixels, a mirrored or turned copy, and the same scene taken twice are not found reliably."
    ),
    "Associations": (
        "Cramér's V with Bergsma's bias correction. The test is a chi-square corrected for several pictures of one "
        "person (Rao and Scott), as an F."
    ),
}


def _method(reading: Reading) -> Section:
    own = tuple(
        Section(id=f"survey-method-{place}", title=title, blocks=(Text(text),))
        for place, (title, text) in enumerate(_METHODS.items(), 1)
    )
    rest = method(reading)
    return Section(id=rest.id, title=rest.title, blocks=rest.blocks, sections=(*own, *rest.sections))


def _limits(survey: Survey) -> Section:
    items = [
        "No model was looked at. A set without a flaw found here can still be the wrong set for a model.",
        "Labels and attributes are taken as given. What contradicts itself is shown; what is wrong throughout is not.",
        "A near copy is a likeness of pictures, told without knowing who is in them. Look at both before removing one.",
        "Two columns may hang together in the world, not by a flaw of the set; a comparison must mind it all the same.",
        "The power table says what is found on average. It is no promise for one model.",
    ]
    if survey.result.probe.get("subject") is None:
        items.insert(1, "There is no subject column: several pictures of one person count as several people.")
    return Section(id="limits", title="Limits", blocks=(Bullets(tuple(items)),))


def _some(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f", and {len(names) - most:,} more" if len(names) > most else "")


def _first(listed: int, total: int, what: str) -> str:
    return f"The first {listed:,} of {total:,} {what}." if listed < total else ""
