"""The main findings as sentences, from the record alone: what differs clearly, strongest first, and what does not.

"Clear" is the record's own interval, never a threshold of ours. A sentence names the two groups and counts people;
what it rests on and what it does not show stand beneath it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from audit.result import Attributes, GroupEstimate, Measurement
from reports import _numbers as numbers
from reports._comparable import appeared, detail
from reports._document import Finding
from reports._inside import inside
from reports._reading import Contrast, Reading, extreme, is_clear, value, within
from reports._tests import survives, test_text
from reports._together import finding as together
from reports._wording import attribute_title, capital, group_phrase, joined, measure_title, mistake, shown
from reports._worst import finding as worst_group

MOST = 4  # sentences of one topic; the rest is named in one line

SELECTION_CAVEAT = (
    "Right and wrong answers count alike here; groups may differ because what they are labeled with differs."
)


def findings(reading: Reading) -> tuple[Finding, ...]:
    """Error rates, the worst-off group, what goes together, selection, activations, focus, picture quality; each
    strongest first."""
    return (
        *_error_rates(reading),
        *_failures(reading),
        *worst_group(reading),
        *together(reading),
        *_selection(reading),
        *inside(reading),
        *_quality(reading),
    )


def _error_rates(reading: Reading) -> Iterator[Finding]:
    errors = reading.errors
    if errors is None:
        return
    topic = measure_title(errors)
    clear = _strongest(extreme(errors, a) for a in reading.attributes)
    # What each attribute by itself hides comes first: nobody would look for it.
    clear = sorted(clear, key=lambda contrast: not any(_hidden(reading, errors, contrast)))
    for contrast in clear[:MOST]:
        yield Finding(
            topic=topic,
            level="clear",
            sentence=_counts(reading, contrast, lambda g: f"are {mistake(g, reading.label, reading.classes)}"),
            details=(
                *_hidden(reading, errors, contrast),
                *_rests_on(reading, errors, contrast),
                *detail(reading, errors, contrast.attribute),
            ),
        )
    if len(clear) > MOST:
        rest = joined([attribute_title(c.attribute) for c in clear[MOST:]])
        yield Finding(topic=topic, level="clear", sentence=f"Clear differences as well by {rest}.")
    yield from appeared(reading, errors)
    yield from _quiet(reading, errors)


def _failures(reading: Reading) -> Iterator[Finding]:
    failures = reading.result.find("failure_rate")
    if failures is None:
        return
    for contrast in _strongest(extreme(failures, a) for a in reading.attributes)[:2]:
        yield Finding(
            topic=measure_title(failures),
            level="clear",
            sentence=_counts(reading, contrast, lambda _: "get no answer"),
            details=_rests_on(reading, failures, contrast),
        )


def _selection(reading: Reading) -> Iterator[Finding]:
    """The clearest difference in how often the positive class is answered."""
    selection = reading.result.find("selection_rate")
    positive = reading.result.model.get("positive")
    if selection is None or positive is None:
        return
    for contrast in _strongest(extreme(selection, a) for a in reading.attributes)[:1]:
        yield Finding(
            topic=measure_title(selection),
            level="clear",
            sentence=_counts(reading, contrast, lambda _: f"are labeled “{shown(positive)}”"),
            details=(SELECTION_CAVEAT, *_rests_on(reading, selection, contrast)),
        )


def _counts(reading: Reading, contrast: Contrast, what: Callable[[Attributes], str]) -> str:
    """`Of the black women 19 in 100 are called men; of the black men 3 in 100 are called women.`

    What is done to both alike is said once: a sentence that leaves it out says the same of the second group.
    """
    many, few = numbers.in_hundred(value(contrast.high), value(contrast.low))
    high = group_phrase(contrast.high.attributes, reading.label)
    low = group_phrase(contrast.low.attributes, reading.label)
    done, other = what(contrast.high.attributes), what(contrast.low.attributes)
    second = few if other == done else f"{few} {other}"
    return f"Of the {_before(high)} {many} {done}; of the {_before(low)} {second}."


def _before(phrase: str) -> str:
    """A phrase that ends in a number is kept apart from the number that follows."""
    return f"{phrase}," if phrase[-1:].isdigit() else phrase


def _rests_on(reading: Reading, measurement: Measurement, contrast: Contrast) -> tuple[str, ...]:
    """The exact rates, their difference with its interval, pictures and subjects, p, and who is left out."""
    high, low = contrast.high, contrast.low
    apart = (
        f"{numbers.percent(value(high))} against {numbers.percent(value(low))}: a difference of "
        f"{numbers.points(contrast.difference)} percentage points ({reading.level} interval "
        f"{numbers.points(contrast.difference_low)} to {numbers.points(contrast.difference_high)}), "
        f"from {_size(high)} and {_size(low)}."
    )
    tested = test_text(reading, measurement, measurement.disparity(contrast.attribute))
    lines = [apart, *([tested] if tested else [])]
    if contrast.left_out:
        names = joined([group_phrase(a, reading.label) for a in contrast.left_out[:4]])
        more = f" and {len(contrast.left_out) - 4} more groups" if len(contrast.left_out) > 4 else ""
        lines.append(f"Too small to take part, so only indicative: {names}{more}.")
    return tuple(lines)


def _hidden(reading: Reading, errors: Measurement, contrast: Contrast) -> Iterator[str]:
    """For an intersection: the attribute that shows no clear difference by itself and does beside another one."""
    parts = contrast.attribute.split("*")
    for part in parts if len(parts) > 1 else ():
        single = errors.disparity(part)
        others = [p for p in parts if p != part]
        inside = within(errors, contrast.attribute, others) or _same_but(contrast, others)
        if single is None or single.value is None or single.descriptive or is_clear(single) or inside is None:
            continue
        much = "far more often" if value(inside.high) >= 2 * value(inside.low) else "more often"
        many, few = numbers.in_hundred(value(inside.high), value(inside.low))
        high, low = (group_phrase(g.attributes, reading.label) for g in (inside.high, inside.low))
        overall = _all_groups(reading, errors, part)
        yield (
            f"{capital(high)} are misjudged {much} than {low} ({many} against {few}), although {overall[0]} overall "
            f"show no clear difference ({overall[1]})."
        )


def _same_but(contrast: Contrast, shared: Sequence[str]) -> Contrast | None:
    """The contrast itself where its two groups share these attributes: for records without pairs."""
    same = all(contrast.high.attributes[k] == contrast.low.attributes[k] for k in shared)
    return contrast if same else None


def _quiet(reading: Reading, errors: Measurement) -> Iterator[Finding]:
    """One finding for all attributes without a clear difference: said, with what can't be excluded."""
    quiet: dict[str, str] = {}
    thin: list[str] = []
    for attribute in reading.attributes:
        gap = errors.disparity(attribute)
        if gap is None or gap.value is None or is_clear(gap):
            continue
        if gap.descriptive:
            thin.append(attribute_title(attribute))
            continue
        who, rates = _all_groups(reading, errors, attribute)
        limit = f"; up to {numbers.points(gap.high)} points apart can't be excluded" if gap.high is not None else ""
        quiet[attribute] = f"{capital(who)} overall: {rates}, no clear difference{limit}."
    topic = measure_title(errors)
    if quiet:
        names = joined([attribute_title(a) for a in quiet])
        sentence = next(iter(quiet.values())) if len(quiet) == 1 else f"No clear difference by {names}."
        yield Finding(
            topic=topic, level="none", sentence=sentence, details=tuple(quiet.values()) if len(quiet) > 1 else ()
        )
    if thin:
        yield Finding(
            topic=topic,
            level="caution",
            sentence=f"Too few subjects to compare the groups of {joined(thin)}: fewer than two groups have enough.",
        )


def _all_groups(reading: Reading, measurement: Measurement, attribute: str) -> tuple[str, str]:
    """Who an attribute's groups are, and their rates: (`women and men`, `10 and 10 in 100`)."""
    stated = [
        g
        for g in measurement.groups(attribute)
        if g.value is not None and not g.indicative and None not in g.attributes.values()
    ]
    if len(stated) == 2:
        pair = [group_phrase(g.attributes, reading.label) for g in stated]
        return joined(pair), _both(value(stated[0]), value(stated[1]))
    ends = sorted(value(g) for g in stated)
    if not ends:
        return f"the groups of {attribute_title(attribute)}", "no group has enough subjects"
    return f"the groups of {attribute_title(attribute)}", _both(ends[0], ends[-1], " to ")


def _both(first: float, second: float, word: str = " and ") -> str:
    """`10 and 12 in 100`."""
    one, two = (numbers.in_hundred(v)[0] for v in (first, second))
    tail = " in 100"
    if one == two and word != " and ":
        return f"all about {one}"
    return f"{one.removesuffix(tail)}{word}{two}" if one.endswith(tail) and two.endswith(tail) else f"{one}{word}{two}"


def _quality(reading: Reading) -> Iterator[Finding]:
    """The pictures' own differences, which may be behind the others: of each attribute, and of the intersections that
    other findings are about. With so many looked at, only those are named that survive the adjustment."""
    crossed = _found_crossed(reading)
    found = [
        (c, m)
        for m in reading.family("quality")
        for a in reading.attributes
        if ("*" not in a or a in crossed) and survives(reading, m.disparity(a))
        if (c := extreme(m, a)) is not None and value(c.high) > 0
    ]
    found.sort(key=lambda f: value(f[0].low) / value(f[0].high))
    if not found:
        return
    lines = [
        f"{measure_title(m)} by {attribute_title(c.attribute)}: {numbers.number(value(c.low), m.unit)} "
        f"({group_phrase(c.low.attributes, reading.label)}) to {numbers.number(value(c.high), m.unit)} "
        f"({group_phrase(c.high.attributes, reading.label)})."
        for c, m in found[:MOST]
    ]
    names = joined(list(dict.fromkeys(attribute_title(c.attribute) for c, _ in found[:MOST])))
    yield Finding(
        topic="Picture quality",
        level="caution",
        sentence=f"The pictures themselves differ between the groups of {names}, which by itself can move the rest.",
        details=tuple(lines),
    )


def _found_crossed(reading: Reading) -> set[str]:
    """Intersections whose groups differ clearly in what the findings are about."""
    rates = (reading.result.find(name) for name in ("wrong_label_rate", "failure_rate", "selection_rate"))
    every = (*rates, *reading.strengths[-1:], *reading.focus("relevance_mass"))
    return {a for a in reading.attributes if "*" in a and any(m is not None and extreme(m, a) for m in every)}


def _strongest(contrasts: Iterator[Contrast | None]) -> list[Contrast]:
    return sorted((c for c in contrasts if c is not None), key=lambda c: -c.difference_low)


def _size(estimate: GroupEstimate) -> str:
    return f"{numbers.plural(estimate.n, 'image')} of {numbers.plural(estimate.subjects, 'subject')}"
