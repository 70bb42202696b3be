"""Findings about the inside of the model: activations and focus, with what they do not show and the errors beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.result import Attributes, Disparity, Measurement
from reports import _difference_maps as difference_maps
from reports import _few_images as few_images
from reports import _numbers as numbers
from reports._activation_ratio import chance_sentence, ratio
from reports._document import Finding
from reports._reading import Contrast, Reading, by_permutation, extreme, group, value, within
from reports._tests import survives, test_text
from reports._trust import read_off
from reports._wording import attribute_title, capital, group_phrase, measure_title, shown

ACTIVATION_CAVEAT = (
    "This says that the model represents the groups differently, not which one it fails; brightness alone can move "
    "shallow layers."
)
FOCUS_CAVEAT = "A map shows where evidence for an answer was found, not why; it does not prove a cause."
MOST = 3  # attributes named in a caution
SHOWN = 0.0005  # a difference that prints as less than 0.1 points is no main finding
MANY = 200  # images: beyond that they are not called few
CAVEATS = {"Activations": ACTIVATION_CAVEAT, "Focus": FOCUS_CAVEAT}
OF_THE_LABEL = "The groups differ in what the model is made to tell apart, so some difference is expected here."


def inside(reading: Reading) -> Iterator[Finding]:
    """Activations, then focus."""
    yield from _activations(reading)
    yield from _few_images(reading)
    yield from _focus(reading)
    yield from difference_maps.finding(reading, FOCUS_CAVEAT)


def _activations(reading: Reading) -> Iterator[Finding]:
    """The clearest activation ratio at the deepest layer; the next one in the same breath."""
    if not reading.strengths:
        return
    deepest = reading.strengths[-1]
    found = [
        (c, of_label)
        for c, of_label in _inside(reading, deepest)
        if c.ratio is not None and c.ratio_high is not None and c.ratio_high < 1
    ]
    # What does not survive the adjustment over the family comes after what does.
    found.sort(key=lambda f: (f[1], not survives(reading, deepest.disparity(f[0].attribute))))
    said = [
        f"by {attribute_title(c.attribute)}: for {group_phrase(c.low.attributes, reading.label)} it is "
        f"{numbers.ratio(c.ratio)} of what it is for {group_phrase(c.high.attributes, reading.label)} "
        f"({reading.level} interval {numbers.interval(c.ratio_low, c.ratio_high, 'ratio')})."
        for c, _ in found
    ]
    tested = _tested(reading, deepest, found[0][0]) if found else ""
    yield from _one(reading, "Activations", "At the deepest layer looked at, activation differs", said, found, tested)


def _tested(reading: Reading, measurement: Measurement, contrast: Contrast) -> str:
    """The p behind a contrast; of all groups of the attribute, where the contrast is one pair of them."""
    said = test_text(reading, measurement, measurement.disparity(contrast.attribute))
    return f"Over all groups of {attribute_title(contrast.attribute)}: {said}" if said and contrast.within else said


def _few_images(reading: Reading) -> Iterator[Finding]:
    """What permutation finds where groups are too few for an interval: a caution at most, never a verdict.

    Of a handful of images it is the answer, so it is told whatever it is; elsewhere only where something stands out.
    """
    if not reading.strengths:
        return
    deepest = reading.strengths[-1]
    tested = [(a, d) for a in reading.attributes if by_permutation(d := ratio(deepest, a)) and d is not None]
    tested.sort(key=lambda found: (not _stands_out(reading, found[1]), found[0] == reading.label, found[1].p_value))
    if not tested:
        return
    attribute, first = tested[0]
    images = sum(g.n for g in deepest.groups(attribute) if None not in g.attributes.values())
    stands_out = _stands_out(reading, first)
    if not stands_out and images > MANY:
        return
    with_only = f"With only {numbers.plural(images, 'image')}" if images <= MANY else "With few subjects in every group"
    differs = "differs" if stands_out else "does not differ by more than chance can explain,"
    more = [(a, d) for a, d in tested[1:] if not stands_out or _stands_out(reading, d)]
    groups = [g for g in deepest.groups(attribute) if None not in g.attributes.values() and g.value is not None]
    sight = few_images.seen(groups, reading.alpha)
    no_verdict = (
        "This is a p and no verdict: the groups are too small for an interval, and it is one of "
        f"{numbers.plural(len(tested), 'such p', 'such p')} at this layer, adjusted for nothing."
    )
    details = [
        *([OF_THE_LABEL] if attribute == reading.label else []),
        *([chance_sentence(reading, first)] if first.null_quantile is not None else []),
        no_verdict,
        *([f"What so few images can show: {sight}"] if sight and images <= MANY else []),
        *([ACTIVATION_CAVEAT] if stands_out else []),
        *(_errors_beside(reading, (first.best, first.worst)) if stands_out else []),
        *(f"Also {_permuted(a, d)}." for a, d in more[: MOST - 1]),
    ]
    yield Finding(
        topic="Activations",
        level="caution",
        sentence=f"{with_only}, activation at the deepest layer looked at {differs} {_permuted(attribute, first)}. "
        "Nothing is judged by it.",
        details=tuple(details),
        headline=images <= MANY,
    )


def _stands_out(reading: Reading, found: Disparity) -> bool:
    return found.p_value is not None and found.p_value < reading.alpha


def _permuted(attribute: str, found: Disparity) -> str:
    """`by race: the smallest group's is 0.78 of the largest group's (ratio Λ; p 0.0012; by chance above 0.88)`."""
    chance = f"; by chance above {numbers.ratio(found.null_quantile)}" if found.null_quantile is not None else ""
    return (
        f"by {attribute_title(attribute)}: the smallest group's is {numbers.ratio(found.value)} of the largest group's "
        f"(ratio Λ; p {numbers.p(found.p_value)}{chance})"
    )


def _focus(reading: Reading) -> Iterator[Finding]:
    """The clearest difference in relevance mass, over all regions; the next attribute's in the same breath."""
    best: dict[str, tuple[Contrast, bool, str]] = {}
    for measurement in reading.focus("relevance_mass"):
        region = shown(measurement.parameters.get("region", "region"))
        for contrast, of_label in _inside(reading, measurement):
            if contrast.difference < SHOWN:
                continue  # a region of next to nothing
            known = best.get(contrast.attribute)
            if known is None or _rank(reading, contrast) > _rank(reading, known[0]):
                best[contrast.attribute] = (contrast, of_label, region)
    ranked = sorted(best.values(), key=lambda b: (b[1], -b[0].difference_low))
    said = [
        f"by {attribute_title(c.attribute)}: {numbers.percent(value(c.high))} of the relevance lies on the region "
        f"“{region}” for {group_phrase(c.high.attributes, reading.label)}, {numbers.percent(value(c.low))} for "
        f"{group_phrase(c.low.attributes, reading.label)} (difference {numbers.points(c.difference)} points, "
        f"{reading.level} interval {numbers.points(c.difference_low)} to {numbers.points(c.difference_high)})."
        for c, _, region in ranked
    ]
    found = [(c, of_label) for c, of_label, _ in ranked]
    told = _one(reading, "Focus", "Where the model looks differs", said, found)
    yield from (read_off(reading, finding) for finding in told)


def _one(
    reading: Reading,
    topic: str,
    start: str,
    said: Sequence[str],
    found: Sequence[tuple[Contrast, bool]],
    tested: str = "",
) -> Iterator[Finding]:
    """One finding about the inside of the model: the clearest contrast as its sentence, with what it does not show."""
    if not found:
        return
    contrast, of_label = found[0]
    further = [f"Also {text}" for text in said[1:2]]
    label = [OF_THE_LABEL] if of_label else []
    parts = contrast.attribute.split("*")
    if len(parts) > 1 and reading.label in parts:
        label.append(_compared(reading, contrast))
    errors = _errors_beside(reading, (contrast.low.attributes, contrast.high.attributes))
    details = (*label, *([tested] if tested else []), CAVEATS[topic], *errors, *further)
    yield Finding(topic=topic, level="clear", sentence=f"{start} {said[0]}", details=details)


def _compared(reading: Reading, contrast: Contrast) -> str:
    """Why these two groups of an intersection, and whether the most misjudged one is among them."""
    title, worst = attribute_title(reading.label), _most_misjudged(reading, contrast.attribute)
    among = ", one of them the most misjudged of all" if _rank(reading, contrast)[0] else ""
    said = (
        f"Compared here are two groups of the same {title}{among}, because the model is made to tell {title} apart; "
        "the tables have all groups."
    )
    if worst and not among:
        who = capital(group_phrase(worst, reading.label))
        said += f" {who}, the most misjudged, differ clearly from no group of the same {title} here."
    return said


def _most_misjudged(reading: Reading, attribute: str) -> Attributes | None:
    """The group with the highest error rate, where the groups of an attribute differ clearly in it."""
    worst = extreme(reading.errors, attribute) if reading.errors else None
    return worst.high.attributes if worst else None


def _rank(reading: Reading, contrast: Contrast) -> tuple[bool, float]:
    """Contrasts of the most misjudged group before all others, then the clearest."""
    two = (contrast.high.attributes, contrast.low.attributes)
    return _most_misjudged(reading, contrast.attribute) in two, contrast.difference_low


def _inside(reading: Reading, measurement: Measurement) -> list[tuple[Contrast, bool]]:
    """Clear contrasts of what happens inside the model, strongest first; true where the groups differ in the label.

    A model is made to respond differently to what it tells apart, so groups are compared among those of one label
    where the record has such pairs, the most misjudged group before the others; the label's own contrast comes last.
    """
    found: list[tuple[Contrast, bool]] = []
    for attribute in reading.attributes:
        parts = attribute.split("*")
        crossed = reading.label in parts and len(parts) > 1
        about = _most_misjudged(reading, attribute)
        contrast = (
            within(measurement, attribute, (reading.label,), about) if crossed else extreme(measurement, attribute)
        )
        if contrast is not None:
            found.append((contrast, attribute == reading.label))
    found.sort(key=lambda f: (f[1], -f[0].difference_low))
    return found


def _errors_beside(reading: Reading, two: Sequence[Attributes | None]) -> Iterator[str]:
    """The error rates of the same two groups: what activation and focus can't tell."""
    if reading.errors is None:
        return
    pair = [g for a in two if (g := group(reading.errors, a)) is not None and g.value is not None]
    if len(pair) != len(two):
        return
    said = (
        f"{numbers.percent(value(g))} of the {group_phrase(g.attributes, reading.label)}"
        + (f" ({numbers.plural(g.n, 'image')})" if g.indicative else "")
        for g in pair
    )
    yield f"{measure_title(reading.errors)} of the two: {', '.join(said)}."
