"""Differences again among those who are alike in something else: does a gap hold, vanish, appear or turn round?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from audit.result import PICTURE_QUALITY, Attributes, Disparity, Measurement, Stratum, Within
from reports import _numbers as numbers
from reports._document import Block, Bullets, Cell, Column, Finding, Section, Table, Text
from reports._grouped import UNFOLDED, column_title, folded
from reports._reading import Reading
from reports._tests import strata_explained, survives
from reports._wording import attribute_title, capital, group_label, group_phrase, joined, measure_title

HEADLINE = ("failure_rate", "wrong_label_rate")
FILE = "tables/within.csv"
_WORSE = {"failure_rate": "left without an answer more often", "wrong_label_rate": "misjudged more often"}
LITTLE = 0.5  # a smaller share of comparable pictures is said in every sentence
_NAMES = 8  # of strata or groups in a note

STAYS, GONE, TURNED, APPEARS, ONE_STRATUM, QUIET = "stays", "gone", "turned", "appears", "one stratum", "quiet"


def change(gap: Disparity | None, row: Within) -> str:
    """What becomes of an attribute's difference when like is compared with like, by the record's own intervals."""
    if gap is not None and gap.clear:
        if not row.clear:
            return GONE
        return TURNED if row.worst == gap.best and row.best == gap.worst else STAYS
    if row.clear:
        return APPEARS
    return ONE_STRATUM if any(_clear(s) for s in row.strata) else QUIET


def comparable(reading: Reading) -> Section | None:
    """The headline rates and the deepest layer's activation, overall and standardized; None when there is nothing."""
    rates = (reading.result.find(name) for name in HEADLINE)
    every = [m for m in (*rates, *reading.strengths[-1:]) if m is not None and m.within]
    rows = [(m, w) for m in every for w in m.within if m.overall.value]  # nobody fails: nothing to compare
    if not rows:
        return None
    errors = next((m for m in every if m is reading.errors), every[0])
    blocks: list[Block] = [Text(_INTRO)]
    sentences = _sentences(reading, errors, errors.within)
    blocks += [Bullets(sentences)] if sentences else []
    blocks += [_table(reading, rows), Text(_WHAT_IT_IS.format(fewest=reading.fewest), role="small")]
    blocks += strata_explained(reading, rows)
    tables = [_strata(reading, m, w) for m, w in rows if w.strata and m.family == "rates"]
    inner = Section(id="strata", title="Each stratum by itself", blocks=(Text(_ALONE), *tables)) if tables else None
    return Section(
        id="comparable",
        title="Do the differences hold among comparable pictures?",
        blocks=tuple(blocks),
        sections=(inner,) if inner else (),
    )


def in_words(reading: Reading, strata: Collection[str]) -> tuple[str, ...]:
    """What becomes of the differences in wrong answers within these strata."""
    errors = reading.errors
    return _sentences(reading, errors, [w for w in errors.within if w.by in strata]) if errors is not None else ()


def _sentences(reading: Reading, measurement: Measurement, rows: Sequence[Within]) -> tuple[str, ...]:
    """What changes, what stays, then in one line what never was clear."""
    ordered = sorted(rows, key=lambda w: change(measurement.disparity(w.attribute), w) == STAYS)
    found = (sentence(reading, measurement, w) for w in ordered)
    return (*(s for s in found if s), *_quiet(measurement, rows))


_INTRO = (
    "Groups can differ because something else differs between them: age, or how bright their pictures are. So they "
    "are compared again, each only with those who are alike in it, and these differences are averaged. Alike in "
    "picture quality are pictures of the same third of brightness, of sharpness and of size."
)
_WHAT_IT_IS = (
    "Share: how much of the pictures takes part. A stratum takes part where at least two groups have "
    "{fewest} subjects in it. Each two groups are compared over the strata that they share; the difference shown is "
    "the largest. A difference that is no longer clear is not shown to be gone: where fewer pictures are comparable, "
    "they also say less. Nor does one that stays rule out other causes."
)
_ALONE = "The intervals and p below allow for having looked into every stratum."


def sentence(reading: Reading, measurement: Measurement, row: Within) -> str:
    """What happens to one difference, in plain words; "" where nothing was clear before or after. Where few pictures
    are comparable, that comes first."""
    gap = measurement.disparity(row.attribute)
    what, whole = change(gap, row), gap.value if gap is not None else None
    before = _amount(measurement, whole, None, None)
    now = f"{_amount(measurement, row.value, row.low, row.high, reading.level)}"
    by, doubt, who = attribute_title(row.attribute), _doubt(reading, row), f", {_who(reading, measurement, row)}"
    same = gap is not None and (gap.worst, gap.best) == (row.worst, row.best) and not row.note
    few = row.comparable < LITTLE and what != ONE_STRATUM
    among = "among these" if few else _among(row)
    stays = "is clear" if few else "stays clear"
    said = {
        STAYS: f"the difference {stays} {among}{doubt}: {now}{'' if same else who}; over all pictures it is {before}.",
        GONE: f"the difference is no longer clear {among}: {now}; over all pictures it is {before}.",
        TURNED: (
            f"the difference turns round {among}{doubt}: {now}{who}; over all pictures it is the other way round "
            f"({before})."
        ),
        APPEARS: f"a difference appears {among}{doubt}: {now}{who}; over all pictures none is clear ({before}).",
        ONE_STRATUM: (
            f"no difference is clear over all pictures ({before}), but {_in_strata(reading, measurement, row)}."
        ),
    }.get(what, "")
    if not said:
        return ""
    said = f"By {by} {_few(row)} {capital(said)}" if few else f"By {by} {said}"
    if row.note and what != ONE_STRATUM:
        said += " Not all groups could be compared with each other."
    if not few and (row.comparable < LITTLE or what == GONE):
        said += f" {_share(row)}"
    return said


def _few(row: Within) -> str:
    """`only 5.1 % of the pictures can be compared with others of the same age_band, which says little about the …`."""
    percent = numbers.percent(row.comparable)
    return (
        f"only {percent} of the pictures can be compared with others {_alike(row)}, which says little about the rest."
    )


def detail(reading: Reading, measurement: Measurement, attribute: str) -> Iterator[str]:
    """What belongs under a finding of a clear difference."""
    for row in measurement.within:
        if row.attribute == attribute:
            yield sentence(reading, measurement, row)


def appeared(reading: Reading, measurement: Measurement) -> Iterator[Finding]:
    """Differences that only show when like is compared with like. A finding about the same attributes together, where
    there is one, has said so already."""
    crossed = [set(d.attribute.split("*")) for d in measurement.disparities if d.clear and "*" in d.attribute]
    for row in measurement.within:
        what = change(measurement.disparity(row.attribute), row)
        if what not in (APPEARS, ONE_STRATUM) or {*row.attribute.split("*"), *row.by.split("*")} in crossed:
            continue
        yield Finding(
            topic=measure_title(measurement),
            level="clear",
            sentence=sentence(reading, measurement, row),
            details=tuple(_test(row)),
        )


def _test(row: Within) -> Iterator[str]:
    if not row.clear:
        smallest = min(s.p_value for s in row.strata if s.p_value is not None)
        yield f"p {numbers.p(smallest)}, which allows for having looked into {len(row.strata)} strata."
    elif row.p_value is not None:
        adjusted = f"; adjusted: {numbers.p(row.p_adjusted)}" if row.p_adjusted is not None else ""
        yield f"p {numbers.p(row.p_value)}{adjusted}. {_share(row)}"


def _quiet(measurement: Measurement, rows: Sequence[Within]) -> list[str]:
    """One line for what was not clear and still is not."""
    quiet = [w for w in rows if change(measurement.disparity(w.attribute), w) == QUIET]
    if not quiet:
        return []
    names = joined([f"{attribute_title(w.attribute)} ({_short(w)})" for w in quiet])
    return [f"No clear difference before or after: {names}."]


def _table(reading: Reading, rows: Sequence[tuple[Measurement, Within]]) -> Table:
    caption = "Differences overall and among comparable pictures"
    # In a long table the rates and what is clear stay in sight.
    ordered = sorted(rows, key=lambda r: (r[0].family != "rates", not r[1].clear))
    kept = [r for r in rows if r in ordered[:UNFOLDED]]
    hidden = [r for r in rows if r not in ordered[:UNFOLDED]]
    clear = sum(w.clear for _, w in hidden)
    what = f"{numbers.plural(len(hidden), 'more comparison')}, {clear or 'none'} of them clear"
    return Table(
        caption=caption,
        columns=(
            Column("Measure"),
            Column("Between the groups of"),
            Column("Overall", number=True),
            Column("Among"),
            Column("Difference", number=True),
            Column("p", number=True),
            Column("Share", number=True),
        ),
        rows=tuple(_row(m, w) for m, w in kept),
        heads=2,
        note=_left_out(reading, [w for _, w in rows]),
        folded=folded(caption, what, FILE, [_row(m, w) for m, w in hidden]),
    )


_MARKS = {GONE: "no longer clear", TURNED: "turned round", APPEARS: "now clear", ONE_STRATUM: "clear in a stratum"}


def _row(measurement: Measurement, row: Within) -> tuple[Cell, ...]:
    gap = measurement.disparity(row.attribute)
    overall = numbers.difference(gap.value, gap.low, gap.high, measurement.unit) if gap is not None else ("–", "")
    return (
        Cell(column_title(measurement), _layer(measurement)),
        Cell(attribute_title(row.attribute), _MARKS.get(change(gap, row), "")),
        Cell(*overall),
        Cell(_short(row)),
        Cell(*numbers.difference(row.value, row.low, row.high, measurement.unit)),
        Cell(numbers.p(row.p_value), f"adjusted {numbers.p(row.p_adjusted)}" if row.p_adjusted is not None else ""),
        Cell(numbers.percent(row.comparable), "little" if row.comparable < LITTLE else ""),
    )


def _strata(reading: Reading, measurement: Measurement, row: Within) -> Table:
    by = attribute_title(row.by)
    return Table(
        caption=f"{column_title(measurement)} by {attribute_title(row.attribute)}, within each {by}",
        columns=(
            Column(by),
            Column("Difference", number=True),
            Column("Worst group" if measurement.better in ("lower", "higher") else "Largest"),
            Column("Best group" if measurement.better in ("lower", "higher") else "Smallest"),
            Column("p", number=True),
            Column("Images", number=True),
            Column("Subjects", number=True),
        ),
        rows=tuple(
            (
                Cell(group_label(s.attributes)),
                Cell(*numbers.difference(s.value, s.low, s.high, measurement.unit)),
                Cell(group_label(s.worst) if s.worst else "all alike"),
                Cell(group_label(s.best) if s.best else "all alike"),
                Cell(numbers.p(s.p_value)),
                Cell(numbers.count(s.n)),
                Cell(numbers.count(s.subjects)),
            )
            for s in row.strata
        ),
        note=_left_out(reading, [row]),
    )


def _in_strata(reading: Reading, measurement: Measurement, row: Within) -> str:
    """`among black people one is: 16.1 points (…), women misjudged more often than men`."""
    said = [
        f"among {_phrase(reading, s.attributes)} one is: "
        f"{_amount(measurement, s.value, s.low, s.high, reading.level)}, {_who(reading, measurement, s)}"
        for s in row.strata
        if _clear(s)
    ]
    return "; ".join(said)


def _who(reading: Reading, measurement: Measurement, seen: Within | Stratum) -> str:
    """Who is worse off, named first: `women misjudged more often than men`."""
    how = _WORSE.get(measurement.measure) or ("higher for" if measurement.better == "none" else "worse for")
    worst, best = _phrase(reading, seen.worst), _phrase(reading, seen.best)
    return f"{how} {worst} than for {best}" if how.endswith("for") else f"{worst} {how} than {best}"


def _doubt(reading: Reading, row: Within) -> str:
    """What belongs behind a difference that is clear by its interval alone."""
    if survives(reading, row):
        return ""
    return f", by its interval though not after allowing for many comparisons (adjusted p {numbers.p(row.p_adjusted)})"


def _left_out(reading: Reading, rows: Sequence[Within]) -> str:
    """Strata that take no part, and groups that stand in none."""
    strata = [a for w in rows if w.by != PICTURE_QUALITY for a in w.left_out]
    strata = [a for place, a in enumerate(strata) if a not in strata[:place]]
    notes = list(dict.fromkeys(f"{attribute_title(w.attribute)}: {w.note}" for w in rows if w.note))
    said = []
    if strata:
        names = "; ".join(_phrase(reading, a) for a in strata[:_NAMES])
        more = f" and {len(strata) - _NAMES} more" if len(strata) > _NAMES else ""
        said.append(f"Strata without two groups of enough subjects: {names}{more}.")
    return " ".join([*said, *(f"{capital(n)}." for n in notes[:_NAMES])])


def _share(row: Within) -> str:
    percent = numbers.percent(row.comparable)
    if row.comparable < LITTLE:
        return f"Only {percent} of the pictures are comparable, so this says little about the others."
    return f"{percent} of the pictures are comparable."


def _among(row: Within) -> str:
    return f"among {'pictures' if row.by == PICTURE_QUALITY else 'those'} {_alike(row)}"


def _alike(row: Within) -> str:
    if row.by == PICTURE_QUALITY:
        return "of like brightness, sharpness and size"
    return f"of the same {attribute_title(row.by)}"


def _short(row: Within) -> str:
    return "picture quality alike" if row.by == PICTURE_QUALITY else f"same {attribute_title(row.by)}"


def _amount(
    measurement: Measurement, value: float | None, low: float | None, high: float | None, level: str = ""
) -> str:
    """`16.1 points (95 % interval 3.8 to 23.7)`."""
    amount, interval = numbers.difference(value, low, high, measurement.unit)
    return f"{amount} ({level} interval {interval})" if interval else amount


def _layer(measurement: Measurement) -> str:
    return measurement.parameters.get("layer", "")


def _clear(stratum: Stratum) -> bool:
    return stratum.low is not None and stratum.low > 0


def _phrase(reading: Reading, attributes: Attributes | None) -> str:
    return group_phrase(attributes, reading.label) if attributes else "all groups"
