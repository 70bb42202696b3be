"""The second half of a report: rules, what was skipped, method, limits, and the record of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.result import Measurement
from reports import _numbers as numbers
from reports._document import Bullets, Cell, Column, Facts, Section, Table, Text
from reports._how_to_read import statistics
from reports._reading import Reading
from reports._tested import flat
from reports._wording import attribute_title, parameters_text, shown


def policy(reading: Reading, verdict: Mapping[str, Any] | None) -> Section | None:
    """The rules, when there are any."""
    rules = (verdict or {}).get("rules") or ()
    if not rules:
        return None
    return Section(
        id="policy",
        title="Policy rules",
        blocks=(
            Text(
                "A rule passes only when the whole interval is within its bound and fails only when the whole interval "
                "is beyond it; anything else is inconclusive."
            ),
            Table(
                caption="The rules and how they came out",
                columns=(
                    Column("Rule"),
                    Column("Outcome"),
                    Column("What is judged"),
                    Column("Bound", number=True),
                    Column("Found", number=True),
                    Column("Why"),
                ),
                rows=tuple(_rule_row(reading, rule) for rule in rules),
            ),
        ),
    )


_SUMMARIES = {"max_geomean": "largest over geometric mean", "gini": "Gini coefficient"}


def _rule_row(reading: Reading, rule: Mapping[str, Any]) -> tuple[Cell, ...]:
    parameters = {str(k): str(v) for k, v in (rule.get("parameters") or {}).items()}
    judged = reading.result.find(str(rule.get("measure")), parameters or None)
    kind = str(rule.get("kind", "value"))
    unit = "ratio" if kind in ("ratio", *_SUMMARIES) or judged is None else judged.unit
    attribute = rule.get("attribute")
    where = f"by {attribute_title(str(attribute))}" if attribute else "overall"
    measured = f"{_SUMMARIES.get(kind, shown(kind))} of {shown(rule.get('title') or rule.get('measure', '–'))} {where}"
    basis = [shown(rule[k], 200) for k in ("reason", "basis") if rule.get(k)]
    return (
        Cell(shown(rule.get("id", "–"))),
        Cell(shown(rule.get("status", "not judged"))),
        Cell(measured, parameters_text(parameters)),
        Cell(bound_text(rule)),
        Cell(numbers.number(rule.get("value"), unit), numbers.interval(rule.get("low"), rule.get("high"), unit)),
        Cell(shown(explanation(rule) or "–", 600), " · ".join(basis)),
    )


def bound_text(rule: Mapping[str, Any]) -> str:
    """`at most 0.05`."""
    words = {"min": "at least", "max": "at most"}
    said = [f"{word} {rule[key]:g}" for key, word in words.items() if rule.get(key) is not None]
    return " and ".join(said) or shown(rule.get("bound") or "–")


def explanation(rule: Mapping[str, Any]) -> str:
    """Why a rule came out as it did, in the gate's own words."""
    return str(rule.get("explanation") or rule.get("sentence") or "")


def skipped(reading: Reading) -> Section | None:
    """What could not be had: one row a reason, with the measures it holds for and their variants."""
    if not reading.result.skipped:
        return None
    grouped: dict[str, dict[str, list[str]]] = {}
    for skip in reading.result.skipped:
        said = [parameters_text(skip.parameters), f"by {attribute_title(skip.attribute)}" if skip.attribute else ""]
        grouped.setdefault(skip.reason, {}).setdefault(skip.measure, []).append(", ".join(filter(None, said)))
    rows = []
    for reason, measures in grouped.items():
        named = list(dict.fromkeys(v for variants in measures.values() for v in variants if v))
        beneath = "; ".join(named) if len(named) <= 3 else f"{len(named)} variants, the first: {named[0]}"
        rows.append((Cell(", ".join(shown(m) for m in measures), beneath), Cell(shown(reason, 600))))
    table = Table(
        caption="What could not be measured, and why", columns=(Column("Measure"), Column("Reason")), rows=tuple(rows)
    )
    return Section(id="skipped", title="What was skipped and why", blocks=(table,))


def method(reading: Reading) -> Section:
    """Each measure's definition, formula and source, then the statistics."""
    by_name: dict[str, Measurement] = {}
    for measurement in reading.result.measurements:
        by_name.setdefault(measurement.measure, measurement)
    measures = [_measure(m, f"method-{place}") for place, m in enumerate(by_name.values(), 1)]
    return Section(
        id="method",
        title="Method",
        sections=(
            Section(id="measures", title="Measures", sections=tuple(measures)),
            statistics(reading),
        ),
    )


def _measure(measurement: Measurement, name: str) -> Section:
    blocks = (Text(shown(measurement.definition, 900)), Facts(tuple(_formula(measurement))))
    return Section(id=name, title=shown(measurement.title), blocks=blocks)


def _formula(measurement: Measurement) -> Iterator[tuple[str, str]]:
    better = {"lower": "lower is better", "higher": "higher is better"}.get(measurement.better, "neither end is better")
    diagnostic = ", diagnostic" if measurement.diagnostic else ""
    yield "Name", f"{measurement.measure} ({shown(measurement.unit)}, {better}{diagnostic})"
    if measurement.formula:
        yield "Formula", shown(measurement.formula, 900)
    if measurement.source:
        yield "Source", shown(measurement.source, 900)


_FED = {
    False: "The model was fed as stated under What was tested; another preprocessing or threshold is another model.",
    True: "The figures follow from a table of predictions. That a model really said so, to these pictures, is taken on "
    "trust.",
}


def limits(reading: Reading) -> Section:
    """What this report can't say."""
    items = [
        "It speaks about this probe set. Other pictures, cameras or people may give other numbers.",
        "Labels and attributes are taken as given; where they are wrong, so are the groups and the errors.",
        "No clear difference does not mean no difference: the upper end of each interval says what can't be excluded.",
        f"Groups with fewer than {reading.fewest} subjects are shown as indicative and never judged.",
        "Activations and focus are diagnostic: they show a difference inside the model, not that harm follows from it.",
        "Class activation maps are rough and can mislead; a difference between maps is a reason to look closer.",
        _FED[reading.result.model.get("format") == "predictions"],
        "This is evidence for people to weigh. It says nothing about whether a law or a standard is met.",
    ]
    if reading.label in reading.attributes:
        items.insert(
            3,
            f"Where groups are made from the label itself ({shown(reading.label)}), a group has no negatives, so rates "
            "conditional on the label mean nothing there; wrong answers by group are shown instead.",
        )
    return Section(id="limits", title="Limits", blocks=(Bullets(tuple(items)),))


def record(reading: Reading) -> Section:
    """The run itself: everything that may differ between two runs of the same audit, settings, and file hashes."""
    result = reading.result
    asked = {name: value for name, value in result.settings.items() if value not in (None, [], {})}
    parts = {
        "Run": tuple(flat(result.run)),
        "Settings that were asked for": tuple(flat(asked)),
        "Files": tuple((shown(name), shown(digest, 100)) for name, digest in result.files.items()),
    }
    inner = [
        Section(id=f"record-{place}", title=title, blocks=(Facts(rows),))
        for place, (title, rows) in enumerate(parts.items(), 1)
        if rows
    ]
    return Section(id="record", title="Record of the run", sections=tuple(inner))
