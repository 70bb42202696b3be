"""What is shown, in which order: the one place that every format follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.result import AuditResult
from reports import _numbers as numbers
from reports._activations import activations
from reports._closing import limits, method, policy, record, skipped
from reports._comparable import comparable
from reports._confusion import confusion
from reports._differences import differences
from reports._document import Block, Callout, Document, Section, Status, Text
from reports._faces import faces
from reports._findings import findings
from reports._focus import focus
from reports._how_to_read import LINK, how_to_read
from reports._rates import quality, rates
from reports._reading import Reading
from reports._scores import scores
from reports._sweep import sweep
from reports._tested import coverage, size_of, tested
from reports._together import together
from reports._trust import trusted
from reports._wording import joined, measure_title, shown
from reports._worst import worst

UNBALANCED = 0.75  # always giving the same answer is wrong at most so often, as a share of balanced labels
_STATUSES = ("pass", "fail", "inconclusive", "not judged")


def view(result: AuditResult, verdict: Mapping[str, Any] | None) -> Document:
    """The report of an audit. Notes and verdict come first, then findings, evidence, method and limits."""
    reading = Reading(result)
    sections = (
        summary(reading, verdict),
        tested(reading),
        coverage(reading),
        rates(reading),
        differences(reading),
        comparable(reading),
        worst(reading),
        confusion(reading),
        scores(reading),
        sweep(reading),
        faces(reading),
        activations(reading),
        focus(reading),
        trusted(reading),
        together(reading),
        quality(reading),
        policy(reading, verdict),
        skipped(reading),
        how_to_read(reading),
        method(reading),
        limits(reading),
        record(reading),
    )
    started = str(result.run.get("started") or "")
    facts = [size_of(result.probe)] if "images" in result.probe else []
    when = [shown(started[:10])] if started else []
    return Document(
        title=f"Bias audit of {shown(result.model.get('file', 'a model'))}",
        subtitle=" · ".join([*facts, *when]),
        started=started,
        sections=tuple(s for s in sections if s is not None),
    )


def summary(reading: Reading, verdict: Mapping[str, Any] | None) -> Section:
    """What must be known first, the verdict, and the findings in plain sentences."""
    blocks: list[Block] = []
    if reading.result.notes:
        notes = tuple(shown(note, 900) for note in reading.result.notes)
        blocks.append(Callout(title="Know this first", items=notes))
    blocks.append(status(verdict))
    overall = _overall(reading)
    if overall:
        blocks.append(Text(overall, role="lead"))
        blocks += [Text(note) for note in _always_the_same(reading)]
    blocks.append(LINK)
    found = findings(reading)
    blocks += found or [Text("No groups were compared, so there is nothing to say about differences between them.")]
    return Section(id="summary", title="Main findings", blocks=tuple(blocks))


def status(verdict: Mapping[str, Any] | None) -> Status:
    """The verdict in a sentence."""
    rules = list((verdict or {}).get("rules") or ())
    said = str((verdict or {}).get("status", "not judged"))
    said = said if said in _STATUSES else "not judged"
    if not rules:
        plain = "No policy was judged: this report describes and does not decide."
        sentence = shown((verdict or {}).get("explanation") or plain, 600)
        return Status(status=said, sentence=sentence if said == "not judged" else f"Policy: {said}.")
    by_status = {s: [shown(r.get("id", "?")) for r in rules if r.get("status") == s] for s in _STATUSES}
    parts = [f"{len(ids)} {_STATUS_WORDS[s]} ({_some(ids)})" for s, ids in by_status.items() if ids]
    return Status(status=said, sentence=f"Of {numbers.plural(len(rules), 'rule')}: {joined(parts)}.")


def _always_the_same(reading: Reading) -> Iterator[str]:
    """Where the labels are unbalanced: how often a model is wrong that says the same of everybody."""
    counts = {
        name: int(cell["images"])
        for cell in reading.result.probe.get("cells", ())
        if list(cell["attributes"]) == [reading.label] and (name := cell["attributes"][reading.label]) is not None
    }
    most = max(counts, key=lambda name: counts[name], default="")
    if len(counts) < 2 or most not in reading.classes or not counts[most]:
        return
    wrong = 1 - counts[most] / sum(counts.values())
    if wrong > UNBALANCED * (1 - 1 / len(counts)):
        return
    yield (
        f"The labels are unbalanced: a model that always answers “{shown(most)}” would be wrong about "
        f"{numbers.percent(wrong)} of these pictures."
    )


_STATUS_WORDS = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive", "not judged": "not judged"}


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _overall(reading: Reading) -> str:
    errors = reading.errors
    if errors is None or errors.overall.value is None:
        return ""
    (many,) = numbers.in_hundred(errors.overall.value)
    shown_interval = numbers.interval(errors.overall.low, errors.overall.high, errors.unit)
    within = f", {reading.level} interval {shown_interval}" if shown_interval else ""
    be = "is" if many == "none" else "are"
    return (
        f"Of all answers {many} {be} wrong ({measure_title(errors)} "
        f"{numbers.number(errors.overall.value, errors.unit)}{within}; "
        f"{numbers.plural(errors.overall.n, 'image')} of {numbers.plural(errors.overall.subjects, 'subject')})."
    )
