"""How many pictures the figures of a map rest on: which answers have none, and which pictures lack a region."""

from __future__ import annotations

from collections.abc import Iterator

from reports import _numbers as numbers
from reports._reading import Reading
from reports._wording import joined, shown

MOST = 8  # regions named


def mapped(reading: Reading) -> Iterator[str]:
    """Sentences, none where every answer has a map and every picture every region."""
    answers = _answers(reading)
    having = next((m.overall.n for m in reading.focus("center_x")), None)
    if answers is None or having is None:
        return
    if having < answers:
        none = "None" if having == 0 else f"Only {having:,}"
        yield (
            f"{none} of {numbers.plural(answers, 'answer')} {'has' if having in (0, 1) else 'have'} a map. In the "
            "others nothing in the picture speaks for the answer, or the network's own numbers are not finite. They do "
            "not count below."
        )
    lacking = [(m.parameters.get("region", ""), m.overall.n) for m in reading.focus("relevance_mass")]
    named = [f"{shown(region)} ({having - n:,})" for region, n in lacking if n < having]
    if named:
        rest = f" and {len(named) - MOST} more" if len(named) > MOST else ""
        yield (
            "Some pictures lack a region: it is not marked in them, lies outside of what the model sees of them, or is "
            f"empty there. They do not count for it: {joined(named[:MOST])}{rest}, of "
            f"{numbers.plural(having, 'picture')}."
        )


def _answers(reading: Reading) -> int | None:
    """How many pictures the model gave an answer for."""
    failures = reading.result.find("failure_rate")
    if failures is None or failures.overall.value is None:
        return None
    return failures.overall.n - round(failures.overall.n * failures.overall.value)
